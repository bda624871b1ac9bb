"""Write configs of mmnerd as a dataset repository: Parquet with embedded images, and the card that opens them.

    python prepare.py --data_dir FOLDER --output REPOSITORY CONFIG [CONFIG …]

REPOSITORY then loads with ``load_dataset(REPOSITORY, CONFIG)``, and can be uploaded as it is; ``hf-mlm push dataset``
"""

from __future__ import annotations

import argparse

from hf_mlm.publishing.datasets import write_repository


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a dataset repository.")
    parser.add_argument("configs", nargs="+", help="such as en")
    parser.add_argument("--data_dir", help="folder of the files; demo needs none")
    parser.add_argument("--output", required=True, help="folder to write")
    settings = parser.parse_args()
    write_repository("mmnerd", settings.configs, settings.output, data_dir=settings.data_dir)
