"""The one contrastive pipeline: the only room that trains, the only one that sees all others."""
