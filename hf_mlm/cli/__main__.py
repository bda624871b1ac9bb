"""``python -m hf_mlm.cli``, for launchers of several processes such as ``torch.distributed.run -m``."""

from hf_mlm.cli import main


if __name__ == "__main__":
    main()
