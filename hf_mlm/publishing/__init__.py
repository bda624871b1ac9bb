"""From a finished run or a folder of data to a repository on the Hub, with a card written from what was run."""
