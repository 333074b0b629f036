"""What makes and serves images, and the servers that `make up` starts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from ganlib.core.record import Record
from ganlib.core.redact import redacted
from ganlib.core.seeds import NOISE_SEEDS


class GenerateConfig(Record):
    """Defaults of a batch job."""

    count: PositiveInt = Field(1000, description="images")
    seed: int = Field(0, ge=0, lt=NOISE_SEEDS, description="of all that is drawn")
    shard_size: PositiveInt = Field(1000, description="images in a shard")


class MarkConfig(Record):
    """What the marks of images name besides that a model made them (docs/marks.md)."""

    producer: str = Field(
        "",
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="who makes the images: a name, or the code that an authority gave; empty: nobody is named",
    )

    def __str__(self) -> str:
        return f"of producer {self.producer!r}"


ANONYMOUS = MarkConfig()
"""Names nobody."""

_HOST = r"^(\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$"
_ORIGIN = r"^(\*|https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)$"  # as browsers spell them


class ServeConfig(Record):
    """`ganlib serve`: where it listens, and what it grants."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="there is no password: what is more than loopback is a choice"
    )
    port: int = Field(8050, ge=0, le=65535, description="0: any free one")
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="below which a proxy offers it, as in /gan; no slash at the end",
    )
    allowed_hosts: tuple[Annotated[str, Field(pattern=_HOST)], ...] = Field(
        (),
        description="names by which it may be asked, besides addresses and localhost: without a port, *.example.org or "
        "*. None: on loopback names without a dot, elsewhere any",
    )
    allowed_origins: tuple[Annotated[str, Field(pattern=_ORIGIN)], ...] = Field(
        (), description="whose pages may use the API in a browser: https://example.org, or *; its own always may"
    )
    poll_seconds: float = Field(5, gt=0, description="between looks at where aliases point")
    registry_seconds: float = Field(60, gt=0, description="that such a look may take before the registry is down")
    window_ms: float = Field(2, ge=0, le=1000, description="how long a request waits for others to share a block with")
    max_images: PositiveInt = Field(256, description="in one request")
    max_requests: PositiveInt = Field(256, description="for images, under way at once")
    max_body_bytes: PositiveInt = Field(65536, description="bytes of a request")
    max_pictures: PositiveInt = Field(8, description="to say of whether they were made here, held at once")
    max_picture_bytes: PositiveInt = Field(8388608, description="bytes of such a picture's file")
    max_picture_pixels: PositiveInt = Field(16777216, description="pixels of such a picture")
    max_connections: PositiveInt = Field(512, description="open at once; then who waits longest without a request goes")
    receive_seconds: float = Field(10, gt=0, description="for a request's headers to arrive, and again for its body")
    keep_alive_seconds: float = Field(
        75, gt=0, description="that a connection may be idle: more than a proxy's setting"
    )
    timeout_seconds: float = Field(30, gt=0, description="that a request waits for its images")
    drain_seconds: float = Field(30, ge=1, description="for requests under way when the server is told to end")


def _port(value: Any) -> Any:
    """What the word auto stands for; the ports below 1024 are the system's."""
    if value == "auto":
        return 0
    if isinstance(value, int) and 0 < value < 1024:
        raise ValueError("a port is from 1024 to 65535, or 0 or auto for any free one")
    return value


Port = Annotated[int, BeforeValidator(_port)]


def _without_secret(value: str | None) -> str | None:
    """Refuse a password in a file that is committed, and in what is recorded with a run."""
    if value is not None and redacted(value) != value:
        raise ValueError("a URL without a password, which a file or the environment has (docs/team.md)")
    return value


Place = Annotated[str | None, AfterValidator(_without_secret)]


class ServicesConfig(Record):
    """Which servers are used: none, ours on loopback as `make up` starts them, or a team's.

    Where a checkout has to differ from its committed file, the environment does: GANLIB_SERVICES_MLFLOW_PORT=auto.
    """

    mlflow: Place = Field(
        None,
        pattern=r"^https?://[^\s/]+\S*$",
        examples=["a URL such as https://mlflow.example.org"],
        description="the team's MLflow; none: the one of `make up`, else a database",
    )
    prefect: Place = Field(
        None,
        pattern=r"^https?://[^\s/]+\S*/api$",
        examples=["the URL of an API, such as https://prefect.example.org/api"],
        description="the team's Prefect; none: the one of `make up`, else a temporary one",
    )
    database: Place = Field(
        None,
        pattern=r"^postgresql://[^\s/@]+@[^\s/@?]+$",
        examples=["of the form postgresql://USER@HOST:PORT"],
        description="PostgreSQL with the databases `mlflow` and `prefect`, for those of ours; none: SQLite",
    )
    artifacts: Place = Field(
        None,
        pattern=r"^[a-z][a-z0-9+]*://\S+$",
        examples=["a URL such as s3://BUCKET/FOLDER"],
        description="where experiments of our MLflow keep their artifacts; none: the folder mlruns",
    )
    dvc_remote: Place = Field(
        None,
        pattern=r"^\S+$",
        examples=["a URL such as s3://BUCKET/FOLDER, or a folder"],
        description="DVC's remote; none: as .dvc/config has it",
    )
    mlflow_port: Port = Field(5050, ge=0, le=65535, description="TCP port of MLflow; 0 or auto: any free one")
    prefect_port: Port = Field(4242, ge=0, le=65535, description="TCP port of Prefect; 0 or auto: any free one")
    outputs: tuple[str, ...] = Field(
        ("out",), description="folders and s3://BUCKET/FOLDER below which runs of deployments may write images"
    )
    sources: tuple[str, ...] = Field(
        (".",), description="folders below which they may read images, models and labels, besides `outputs`"
    )

    retrain_schedule: str = Field("0 3 * * 1", description="cron, UTC; empty for no schedule")
    run_hours: float | None = Field(
        24, gt=0, description="that a run of the flows retrain and train may take; then it is ended with its trainings"
    )
    webhook: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+[^\s]*$",
        description="URL that is sent every entry of the ledgers, signed with the secret of GANLIB_WEBHOOK_SECRET",
    )
    notify_blocks: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")], ...] = Field(
        (),
        examples=["a list of blocks, such as [slack-webhook/team]"],
        description="blocks of Prefect, TYPE/NAME, that are told the same in words: slack-webhook/team",
    )
    reconcile_seconds: PositiveInt = Field(30, description="between looks at what people did in MLflow's page")
    gallery: str | None = Field(None, description="folder that is kept a gallery of the champion; none: no gallery")

    @property
    def receivers(self) -> dict[str, str]:
        """Who is told decisions: what people call them, and their addresses."""
        webhook = {"webhook": self.webhook} if self.webhook else {}
        return webhook | {name: name for name in self.notify_blocks}

    @property
    def mlflow_database(self) -> str | None:
        """URI of MLflow's database on PostgreSQL, where there is one."""
        return self.database and f"{self.database}/mlflow"

    @property
    def prefect_database(self) -> str | None:
        """URI of Prefect's, by the driver that its server takes."""
        return self.database and f"{self.database.replace('postgresql', 'postgresql+asyncpg', 1)}/prefect"
