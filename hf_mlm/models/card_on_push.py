"""What ``model.push_to_hub("namespace/name")`` does beside uploading the weights."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel


class CardOnPush(PreTrainedModel):
    """A model whose ``push_to_hub`` uploads a card of ours, where transformers would make one up.

    ``PushToHubMixin`` saves everything to a temporary folder and hands that to ``_upload_modified_files``: the one
    place where the card can be replaced, and local paths taken out, before anything leaves.
    """

    def _upload_modified_files(self, working_dir: Any, repo_id: str, *args: Any, **kwargs: Any) -> Any:
        from hf_mlm.publishing.models import complete_plain_push

        complete_plain_push(working_dir, repo_id, self.name_or_path)
        return super()._upload_modified_files(working_dir, repo_id, *args, **kwargs)
