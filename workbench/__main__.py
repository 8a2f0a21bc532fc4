"""Lets `python -m workbench` and `torchrun -m workbench` run the command line."""

import importlib

if __name__ == "__main__":
    importlib.import_module("pipelines.cli").main()
