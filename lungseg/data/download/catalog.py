"""The published data sets: where they lie, under which terms, and how many images each of their folders holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.data.download.archive import amount
from lungseg.data.sources import covid19_radiography, covid_qu_ex, ct_slices, mosmed
from lungseg.data.sources.mask_matching import ENDINGS, ending


@dataclass(frozen=True, slots=True)
class Dataset:
    """``counts``: a folder (or file) in the data set -> how many images were published in it, at any depth."""

    name: str
    title: str
    slug: str  # its owner and name on Kaggle; empty where it was published elsewhere, on ``page``
    licence: str
    terms: str
    citation: str
    size: int  # of the archive, in bytes, roughly
    counts: Mapping[str, int]
    page: str = ""

    @property
    def url(self) -> str:
        return self.page or f"https://www.kaggle.com/datasets/{self.slug}"

    @property
    def archive(self) -> str:
        """The file's name, as the Kaggle client gives it."""
        return f"{self.slug.split('/')[-1] or self.name}.zip"


def _covid_qu_ex_counts() -> dict[str, int]:
    return {
        f"{folder}/{folder}/{split}/{label}/images": number
        for part, folder in covid_qu_ex.PARTS.items()
        for split, numbers in covid_qu_ex.PUBLISHED[part].items()
        for label, number in zip(covid_qu_ex.CLASSES, numbers, strict=True)
    }


DATASETS = {
    "covid_qu_ex": Dataset(
        name="covid_qu_ex",
        title="COVID-QU-Ex: 33,920 chest X-rays with lung masks, 5826 of them with infection masks",
        slug="anasmohammedtahir/covidqu",
        licence="CC BY-SA 4.0, as others report it; see the page",
        terms="The licence was not read on the page itself: what stands there holds. The images were gathered from "
        "several public collections, whose own terms hold too.",
        citation="Tahir et al., COVID-19 infection localization and severity grading from chest X-ray images, "
        "Computers in Biology and Medicine 139, 2021; data: doi.org/10.34740/kaggle/dsv/3122958",
        size=1_200_000_000,
        counts=_covid_qu_ex_counts(),
    ),
    "covid19_radiography": Dataset(
        name="covid19_radiography",
        title="COVID-19 Radiography Database: 21,165 chest X-rays in four classes with lung masks",
        slug="tawsifurrahman/covid19-radiography-database",
        licence="see the page",
        terms="The licence could not be verified: see the page. The authors ask to cite their two papers; the images "
        "were gathered from PadChest, SIRM, RSNA and other collections, whose own terms hold too.",
        citation="Chowdhury et al., Can AI help in screening viral and COVID-19 pneumonia?, IEEE Access 8, 2020; "
        "Rahman et al., Exploring the effect of image enhancement techniques on COVID-19 detection using chest "
        "X-ray images, Computers in Biology and Medicine, 2021",
        size=800_000_000,
        counts={
            f"{covid19_radiography.NAME}/{label}/images": number
            for label, number in covid19_radiography.PUBLISHED.items()
        },
    ),
    "shenzhen_montgomery": Dataset(
        name="shenzhen_montgomery",
        title="Shenzhen and Montgomery: 800 chest X-rays of two hospitals, 704 of them with lung masks",
        slug="nikhilpandey360/chest-xray-masks-and-labels",
        licence="CC0 1.0 on Kaggle, as others report it; the Shenzhen masks: CC BY-NC-SA 4.0; see the page",
        terms="The National Library of Medicine asks to be named as the source and to cite two papers. The authors of "
        "the Shenzhen masks allow no commercial use. The licences were not read on the page itself: see there.",
        citation="Jaeger et al., Automatic tuberculosis screening using chest radiographs, and Candemir et al., Lung "
        "segmentation in chest radiographs using anatomical atlases with nonrigid registration, both IEEE Transactions "
        "on Medical Imaging 33(2), 2014; Shenzhen masks: Stirenko et al., arXiv:1803.01199",
        size=10_000_000_000,  # the archive holds everything twice
        counts={"CXR_png": 800, "masks": 704},
    ),
    "covid19_ct": Dataset(
        name="covid19_ct",
        title="COVID-19 CT scans: 20 CT volumes with lung and infection masks",
        slug="andrewmvd/covid19-ct-scans",
        licence="CC BY-NC-SA, as its authors state for COVID-19-CT-Seg; Kaggle's: see the page",
        terms="No commercial use; what is made of it is shared alike. The volumes come from Coronacases and "
        "Radiopaedia, whose own terms hold too.",
        citation="Ma et al., COVID-19 CT lung and infection segmentation dataset, doi.org/10.5281/zenodo.3757476; "
        "Ma et al., Toward data-efficient learning, Medical Physics, doi.org/10.1002/mp.14676",
        size=1_100_000_000,
        counts={
            "ct_scans": 20,
            "lung_mask": 20,
            "infection_mask": 20,
            "lung_and_infection_mask": 20,
            "metadata.csv": 1,
        },
    ),
    "mosmed": Dataset(
        name="mosmed",
        title="MosMedData COVID19_1110: 1110 CT volumes in five grades of severity, 50 of them with infection masks",
        slug="",
        page="https://mosmed.ai/en/datasets/covid191110",
        licence="CC BY-NC-ND 3.0 Unported, as its authors state",
        terms="No commercial use, and nothing that is made of it may be passed on: neither changed volumes nor masks. "
        "The page asks to register. Copies on Kaggle are by others.",
        citation="Morozov et al., MosMedData: Chest CT scans with COVID-19 related findings dataset, arXiv:2005.06465; "
        "Morozov et al., Digital Diagnostics 1(1), 2020, doi.org/10.17816/DD46826",
        size=21_000_000_000,
        counts={
            **{f"studies/{grade}": number for grade, number in mosmed.PUBLISHED.items()},
            "masks": mosmed.MASKS,
        },
    ),
    "ct_slices": Dataset(
        name="ct_slices",
        title="COVID-SemiSeg: 98 CT slices as pictures, with infection masks",
        slug="",
        page="https://github.com/DengPingFan/Inf-Net",
        licence="for non-commercial purposes only, as its authors state",
        terms="Any commercial use needs their permission. The slices are of the Italian Society of Medical and "
        "Interventional Radiology, segmented by medicalsegmentation.com/covid19, whose own terms hold too.",
        citation="Fan et al., Inf-Net: Automatic COVID-19 lung infection segmentation from CT images, IEEE "
        "Transactions on Medical Imaging 39(8), 2020",
        size=42_000_000,
        counts={
            f"{ct_slices.PARTS[side][0]}/{kind}": number
            for side, number in ct_slices.PUBLISHED.items()
            for kind in ("Imgs", "GT")
        },
    ),
    "covid19_image_classification": Dataset(
        name="covid19_image_classification",
        title="Covid-19 Image Dataset: 317 chest X-rays in three classes, no masks",
        slug="pranavraikokte/covid19-image-dataset",
        licence="see the page",
        terms="The licence could not be verified: see the page. Its images were released by the University of "
        "Montreal, in whose collection each image has a licence of its own.",
        citation="Raikote, Covid-19 Image Dataset, Kaggle, 2020; Cohen et al., arXiv:2006.11988",
        size=160_000_000,
        counts={"train": 251, "test": 66},
    ),
}


def find(name: str) -> Dataset:
    if name not in DATASETS:
        raise UserError(f"{name}: no such data set; expected one of {', '.join(DATASETS)}")
    return DATASETS[name]


def describe(dataset: Dataset) -> str:
    """What it is and what one may do with it, in a few lines."""
    return f"""{dataset.title}
  page: {dataset.url} (about {amount(dataset.size)})
  licence: {dataset.licence}
  terms: {dataset.terms}
  to cite: {dataset.citation}"""


def differences(dataset: Dataset, folder: Path) -> list[str]:
    """Where ``folder`` is not what was published, one line each: missing, extra and empty files. No line: all is there.

    One or two folders around the data set are passed through; hidden folders are not looked at.
    """
    home = _home(dataset, folder)
    lines = []
    for name, published in dataset.counts.items():
        files = _files(home / name)
        if len(files) != published:
            what = f"{published - len(files)} missing" if len(files) < published else f"{len(files) - published} extra"
            lines.append(f"{home / name}: holds {plural(len(files), 'file')}; {published} were published: {what}")
        empty = [path.name for path in files if path.stat().st_size == 0]
        if empty:
            lines.append(f"{home / name}: {len(empty)} of its files are empty, such as {min(empty)}")
    return lines


def _home(dataset: Dataset, folder: Path) -> Path:
    first = next(iter(dataset.counts)).split("/")[0]
    for home in (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))):
        if (home / first).exists() and not any(part.startswith(".") for part in home.relative_to(folder).parts):
            return home
    return folder


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [one for one in path.rglob("*") if ending(one) in ENDINGS and one.name[0] != "." and one.is_file()]
