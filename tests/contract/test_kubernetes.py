"""Names in clusters, which programs and controllers of different commits use together."""

from __future__ import annotations

from contract import kubernetes


def test_the_names_are_those_that_clusters_have() -> None:
    """A changed one leaves behind what it named: add the new one beside it for a release."""
    assert (
        kubernetes.qualified(kubernetes.BRANCHES) == "databasebranches.v1alpha1.previews.internal"
    )
    assert (
        kubernetes.qualified(kubernetes.GENERATIONS)
        == "databasegenerations.v1alpha1.previews.internal"
    )
    assert (kubernetes.BRANCH_KIND, kubernetes.GENERATION_KIND) == (
        "DatabaseBranch",
        "DatabaseGeneration",
    )
    assert kubernetes.FINALIZER == "previews.internal/database"
    assert kubernetes.RESET_ANNOTATION == "previews.internal/reset"
    assert kubernetes.STACK_LABEL == "previews/stack"
    assert kubernetes.PULL_REQUEST_LABEL == "previews/pull-request"
    assert (kubernetes.MASTER_SECRET, kubernetes.MIGRATOR_SECRET, kubernetes.APP_SECRET) == (
        "database-master",
        "database-migrator",
        "database-app",
    )
