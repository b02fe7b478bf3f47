"""The list of mutants is of the package as it is (see `mutants.py`)."""

from mutants import ROOT, broken, read_list


def test_every_mutant_applies():
    mutants, _ = read_list()
    for mutant in mutants:
        source = (ROOT / "sklstm" / mutant.file).read_text()
        assert broken(source, mutant) != source
