"""What a pipeline or deployment says of resources, as it is written in files and for schedulers."""

from __future__ import annotations

from typing import Final

from featurectl.language.definitions.pipelines import Replicas

_UNITS: Final = (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))


def cpu_text(cpu: float) -> str:
    """Return a number of processors as Kubernetes has it.

    >>> cpu_text(4.0), cpu_text(0.5)
    ('4', '500m')
    """
    return f"{cpu:.0f}" if cpu == int(cpu) else f"{round(cpu * 1000)}m"


def memory_text(size: int) -> str:
    """Return a size of memory as Kubernetes has it, in the largest unit that divides it.

    >>> memory_text(16 << 30), memory_text(1536 << 20), memory_text(1000)
    ('16Gi', '1536Mi', '1000')
    """
    return next((f"{size // unit}{name}" for name, unit in _UNITS if size % unit == 0), f"{size}")


def replicas_text(replicas: Replicas) -> str:
    """Return how many of a deployment run.

    >>> replicas_text(Replicas(least=2, most=20, cpu=0.7)), replicas_text(Replicas())
    ('2 to 20, by 70% of their processors', '1')
    """
    if replicas.cpu is None:
        return f"{replicas.least}"
    return f"{replicas.least} to {replicas.most}, by {100 * replicas.cpu:g}% of their processors"
