"""All settings, read once in the entry point and handed down. Each has a line in .env.example."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot import quiet
from bot.energy.prices import Prices
from bot.quiet import Quiet


class SettingsError(Exception):
    """The settings cannot be used; the text names every variable, its value and the remedy."""


def _split(text: object) -> object:
    """`a, b` as it is written in an environment variable."""
    if not isinstance(text, str):
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _upper(text: object) -> object:
    return text.upper() if isinstance(text, str) else text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError) as err:  # none, a folder of zones, no name at all
        raise ValueError("no time zone is called so; give an IANA name") from err
    return name


def _hours(text: str) -> str:
    if text:
        quiet.parse(text)
    return text


def _known_trackers(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in TRACKERS]
    if unknown and names != ("none",):
        raise ValueError(f"there is no {unknown[0]}; give {', '.join(TRACKERS)}, or none")
    return tuple(dict.fromkeys(name for name in names if name in TRACKERS))


TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio")
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Everything a team can set, with defaults for one laptop."""

    model_config = SettingsConfigDict(
        env_prefix="JOULERY_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
    )

    data_dir: Path = Field(Path(".joulery"), description="database, runs and the web chat's state")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; default: SQLite in the data directory"
    )
    specs_dir: Path = Field(Path("examples"), description="specs that chat may start by name")
    channel: str = Field("joulery", description="the channel the bot talks in")
    admins: Names = Field(
        (), description="who may say /joulery allow, and all that operators may: ids or patterns"
    )
    operators: Names = Field(
        (), description="who may start and stop runs: member ids or patterns such as web:*"
    )
    operators_channel: str = Field(
        "",
        pattern=r"^([a-z]+:\S+)?$",
        description="where operators are told of trouble, as platform:channel, such as slack:C045AB6CD; "
        "empty = where the bot talks",
    )
    voters: Names = Field((), description="whose votes count; empty = every human member")
    web_host: str = Field("127.0.0.1", description="address the web chat listens on")
    web_port: int = Field(8642, ge=0, le=65535, description="its port; 0 = any free one")
    slack_bot_token: SecretStr | None = Field(None, description="xoxb-...; empty = no Slack")
    slack_app_token: SecretStr | None = Field(None, description="xapp-..., for Socket Mode")
    slack_signing_secret: SecretStr | None = Field(
        None, description="for HTTP instead of Socket Mode, where there is no app token"
    )
    slack_channel: str = Field("", description="id of the channel to talk in, such as C012AB3CD")
    slack_http_host: str = Field("127.0.0.1", description="where HTTP events are listened for")
    slack_http_port: int = Field(8643, ge=0, le=65535, description="its port; 0 = any free one")
    slack_api_url: str = Field(
        "https://slack.com/api/",
        pattern="^https?://.+/$",
        description="the Web API; https://slack-gov.com/api/ for GovSlack",
    )
    discord_token: SecretStr | None = Field(None, description="the bot's; empty = no Discord")
    discord_channel: str = Field("", description="id of the channel to talk in: a number")
    discord_api_url: str = Field(
        "https://discord.com/api/v10",
        pattern="^https?://.+[^/]$",
        description="the REST API; another one for a proxy",
    )
    control_every: int = Field(
        0, ge=0, description="train a control arm in one run in N; 0 = only when asked"
    )
    watts_per_core: float | None = Field(
        None, gt=0, description="W per CPU core under load, for the estimate where RAPL is missing"
    )
    charge_idle: Literal["none", "reserved"] = Field(
        "none",
        description="who pays what boards and CPU draw while a run waits for votes: reserved = the "
        "run (the machine stands ready for it alone), none = nobody",
    )
    gpu_power_cap_w: float | None = Field(
        None, gt=0, description="W a GPU may draw while we train; needs root; empty = as it is"
    )
    carbon_forecast: str | None = Field(
        None,
        description="grid intensity ahead: a CSV file or https address with start,g_per_kwh; empty = "
        "training never waits for it",
    )
    seconds_per_vote: float = Field(8.0, gt=0, le=3600, description="s a vote is assumed to take")
    device_watts: float = Field(30.0, ge=0, le=1e4, description="W of a voter's device, assumed")
    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="of all prices: an ISO code")
    tariff_per_kwh: float | None = Field(None, ge=0, description="price of a kWh; empty = not told")
    labour_per_hour: float | None = Field(
        None, ge=0, description="price of an hour of people's time; empty = not told"
    )
    gpu_hour_price: float | None = Field(
        None, ge=0, description="price of an hour of a rented GPU; empty = not told"
    )
    country: str | None = Field(
        None, description="three-letter ISO code, for grams of CO2e; empty = not told"
    )
    region: str | None = Field(None, description="part of that country, where CodeCarbon knows it")
    pue: float | None = Field(
        None,
        ge=1,
        le=5,
        description="power usage effectiveness of the building; empty = not applied",
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="IANA name of the team's time zone, e.g. Europe/Berlin"
    )
    summary_hour: int = Field(
        9, ge=0, le=23, description="from this hour on the summary of the day before is posted"
    )
    quiet_hours: Annotated[str, AfterValidator(_hours)] = Field(
        "",
        description="when nobody is reminded and no deadline passes, on the team's clock, e.g. 22-7; "
        "empty = never",
    )
    trackers: Annotated[Names, AfterValidator(_known_trackers)] = Field(
        ("tensorboard",),
        description="who is told of metrics and joules: tensorboard, mlflow, wandb, trackio, or none",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = (
        Field("WARNING", description="DEBUG, INFO, WARNING or ERROR")
    )

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'joulery.db'}"

    @property
    def prices(self) -> Prices:
        """What a team pays, where it says so."""
        return Prices(self.currency, self.tariff_per_kwh, self.labour_per_hour, self.gpu_hour_price)

    @property
    def zone(self) -> ZoneInfo:
        """The team's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def quiet(self) -> Quiet:
        """The team's quiet hours; without any, it is always day."""
        begins, ends = quiet.parse(self.quiet_hours) if self.quiet_hours else (time(), time())
        return Quiet(begins, ends, self.zone)

    @property
    def runs_dir(self) -> Path:
        """Where plans, reports and checkpoints lie."""
        return self.data_dir.resolve() / "runs"


def read_settings(**overrides: Any) -> Settings:
    """The settings of the environment and .env, with `overrides` on top.

    Raises:
        SettingsError: every wrong variable in one message.
    """
    try:
        return Settings(**overrides)
    except ValidationError as err:
        lines = []
        for detail in err.errors(include_url=False):
            name = str(detail["loc"][0])
            field = Settings.model_fields.get(name)
            meaning = f" ({field.description})" if field else ""
            lines.append(f"JOULERY_{name.upper()} = {detail['input']!r}: {detail['msg']}{meaning}")
        raise SettingsError("; ".join(lines) + "; see .env.example") from None
