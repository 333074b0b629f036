"""Look at everything that may be wrong around a project."""

from __future__ import annotations

from collections.abc import Mapping

from ganlib.core.errors import GanlibError
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.jobs.doctor import machine, notices, remote, services, stores
from ganlib.jobs.doctor.finding import Diagnosis, HealthCheck, HealthContext, HealthFinding

CHECKS: Mapping[str, HealthCheck] = {
    "packages": machine.versions,
    "cores": machine.cores,
    "disk": machine.disk,
    "git": machine.git,
    "proxy": machine.proxy,
    "locks": machine.locks,
    "onnxruntime": machine.provider,
    "params.yaml": services.configuration,
    "DVC's remote": remote.remote,
    "data": services.data,
    "stores": stores.stores,
    "services": services.services,
    "MLflow": services.mlflow,
    "Prefect": services.prefect,
    "notices": notices.notices,
}
"""By subject, in the order of the report."""


def doctor(project: Project, *, fix: bool = False, deep: bool = False, report: Report = silent) -> Diagnosis:
    """Look at machine, packages, data and servers; with ``fix`` do what is safe: end killed runs, restore the data.

    ``deep`` reads all of the data version back from DVC's remote, and not a sample of it. A check that
    fails is a finding: the others go on.
    """
    context, findings = HealthContext(project, fix=fix, deep=deep), list[HealthFinding]()
    for place, (subject, check) in enumerate(CHECKS.items()):
        report.advance("doctor", place, len(CHECKS))
        try:
            findings += check(context)
        except GanlibError as error:
            findings.append(HealthFinding(subject=subject, state="problem", words=str(error)))
    report.advance("doctor", len(CHECKS), len(CHECKS))
    return Diagnosis(findings=tuple(findings))
