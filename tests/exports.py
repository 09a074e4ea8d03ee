"""Parts of labelling tools' exports, and what is looked for in an import."""


def square(label, left, top, right, bottom, **more):
    """A labelme polygon."""
    points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"label": label, "points": points} | more


def notes(report, kind):
    """How often a kind of note was made."""
    return sum(note.count for note in report.notes if note.kind == kind)


def files(folder):
    """Every file below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
