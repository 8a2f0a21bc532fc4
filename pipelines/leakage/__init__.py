"""What must not be shared between splits, looked for before anything trains."""

from pipelines.leakage.audit import Audit, audit
from pipelines.leakage.seen import Seen, of_decoded, of_manifest

__all__ = ["Audit", "Seen", "audit", "of_decoded", "of_manifest"]
