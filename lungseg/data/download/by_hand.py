"""Says the steps by which a person gets a data set without client or key, or one that is not on Kaggle."""

from pathlib import Path

from lungseg.core.shell_commands import shell_command, shell_word
from lungseg.data.download.archive import amount
from lungseg.data.download.catalog import Dataset

FOLDER = ".download"
KEYS = "https://www.kaggle.com/settings/api"


def by_hand(dataset: Dataset, into: Path) -> str:
    """Returns the steps, with commands that can be pasted."""
    again = shell_command("lungseg", "data", "get", dataset.name, plain={"into": into})
    if not dataset.slug:
        return f"""To get {dataset.name} by hand:
  1. open {dataset.url}, read the licence and the terms
  2. download the data set (about {amount(dataset.size)})
  3. unpack it so that {shell_word(str(into))} holds {", ".join(dataset.counts)}
  4. count it:              {again}
  5. look at what it holds: {check_command(dataset, into)}"""
    folder, place = (shell_word(str(path)) for path in (into / FOLDER, into / FOLDER / dataset.archive))
    return f"""To get {dataset.name} by hand:
  1. open {dataset.url}, sign in, read the licence and the terms
  2. press Download and choose the zip of the whole data set (about {amount(dataset.size)})
  3. put it in its place:    mkdir -p {folder} && mv ~/Downloads/archive.zip {place}
  4. unpack and count it:    {again}
     or, for 3 and 4:        unzip -n ~/Downloads/archive.zip -d {shell_word(str(into))}
  5. look at what it holds:  {check_command(dataset, into)}
To have it downloaded instead:
  1. pip install kaggle
  2. make a key at {KEYS} and save it as ~/.kaggle/access_token (chmod 600), or: kaggle auth login
  3. {again}"""


def check_command(dataset: Dataset, into: Path) -> str:
    """Returns the command that looks at what a data set holds."""
    return shell_command("lungseg", "data", "check", dataset.name, settings={"root": into})
