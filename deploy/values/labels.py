"""Names that containers, images and networks of this program carry: they are the database."""

PREFIX = "io.jarship."

APP = PREFIX + "app"
PROFILE = PREFIX + "profile"
ROLE = PREFIX + "role"
"""`app` or `proxy`."""
RELEASE = PREFIX + "release"
"""The rollout id that made the container, sortable by time."""
DIGEST = PREFIX + "digest"
TAG = PREFIX + "tag"
COMMIT = PREFIX + "commit"
AUTHOR = PREFIX + "author"
SUBJECT = PREFIX + "subject"
DEPLOYED_BY = PREFIX + "deployed-by"
DEPLOYED_AT = PREFIX + "deployed-at"
SETTINGS = PREFIX + "settings"
"""Keyed hash of the settings that shaped the container; see the plan."""
HISTORY = PREFIX + "history"
"""JSON: the releases that finished on the whole fleet before this one, newest first."""

# On images, written by the Dockerfile and read from the registry.
HEALTH_PATH = PREFIX + "health-path"
"""Default health path: `/actuator/health` when the jar has actuator, else `/`."""
BOOT_VERSION = PREFIX + "boot-version"

# On everything of a sandbox: the id of the sandbox it belongs to.
SANDBOX = PREFIX + "sandbox"
