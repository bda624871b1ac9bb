"""Pipelines of `transformers.pipeline` over the models of the package."""

import transformers.pipelines  # noqa: F401, whose hook imports every module here, so before one of them is half done
