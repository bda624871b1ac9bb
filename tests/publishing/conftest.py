from tests.data.conftest import make_entities, write_final  # noqa: F401, fixtures
from tests.hub.fixtures import fresh, hub, tagger_folder  # noqa: F401, fixtures
