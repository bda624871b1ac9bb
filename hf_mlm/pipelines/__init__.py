"""What `transformers.pipeline` makes of the package's models."""

import transformers.pipelines  # noqa: F401, whose hook imports every module here, so before one of them is half done
