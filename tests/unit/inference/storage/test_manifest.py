"""The record of what is done."""

from fullconv.inference.storage.manifest import Done, Recorder, records, start
from fullconv.inference.storage.outputs import FolderOutput


def written(output, count):
    done = [Done(f"{n}.png", "1", f"{n}", (f"{n}.png", f"{n}_overlay.jpg")) for n in range(count)]
    for record in done:
        for name in record.results:
            output.write(name, b"result")
    return done


def test_what_is_recorded_is_read_again_and_put_together(tmp_path):
    output = FolderOutput(tmp_path)
    job = start(output, {"net": ["a"]})
    done = written(output, 10)
    recorder = Recorder(output, job, every=3)
    for record in done:
        recorder.add(record)
    assert len(records(output, job)) == 9  # the last is not written yet
    recorder.flush()
    assert records(output, job) == {record.photo: record for record in done}
    assert len(list((tmp_path / ".fullconv" / job).iterdir())) == 1


def test_a_record_counts_only_where_its_results_are_there(tmp_path):
    output = FolderOutput(tmp_path)
    job = start(output, {"net": ["a"]})
    recorder = Recorder(output, job)
    for record in written(output, 3):
        recorder.add(record)
    recorder.flush()
    output.remove("1_overlay.jpg")
    assert set(records(output, job)) == {"0.png", "2.png"}


def test_damaged_lines_and_records_of_other_jobs_count_for_nothing(tmp_path):
    output = FolderOutput(tmp_path)
    job, other = start(output, {"net": ["a"]}), start(output, {"net": ["b"]})
    assert job != other
    good = b'{"photo": "0.png", "version": "1", "stem": "0", "results": ["0.png"]}'
    written(output, 1)
    for name, content in {
        f"{job}/a": good + b'\n{"photo": 3\n[]\nnull\n' + b"[" * 5000 + b"\n\xff\n" + good[:20],
        f"{other}/b": good.replace(b"0.png", b"1.png"),
    }.items():
        output.write(f".fullconv/{name}.jsonl", content)
    assert records(output, job) == {"0.png": Done("0.png", "1", "0", ("0.png",))}
    assert records(output, other) == {}
    assert records(output, job) == {}, "its results may have been replaced since"
