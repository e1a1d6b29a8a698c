"""What `plan.json`, which stands beside the records, says of the blocks that were to be measured."""

from lsmlab_results import schema

NAME = "plan.json"
_PHASES = ("load", "run")


def blocks(text: str) -> dict[tuple[str, str], int]:
    """(workload, phase) -> number of its blocks. Raises ValueError when `text` is no plan."""
    runs = schema.parse(text).get("runs")
    if not isinstance(runs, list) or not all(_is_run(run) for run in runs):
        raise ValueError("not a plan: 'runs' must be an array of runs")
    found: dict[tuple[str, str], set[int]] = {}
    for run in runs:
        for phase in _PHASES:
            if run.get(phase) is True:
                found.setdefault((run["workload"], phase), set()).add(run["block"])
    return {cell: len(numbers) for cell, numbers in found.items()}


def _is_run(run: object) -> bool:
    return (
        isinstance(run, dict)
        and isinstance(run.get("workload"), str)
        and isinstance(run.get("block"), int)
    )
