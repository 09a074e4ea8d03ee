"""Caffe's messages with the types that BVLC/caffe's caffe.proto gives them, for writing.

The reader has a schema of its own, with other types for the packed numbers; what this one writes
is what Caffe writes.
"""

from types import SimpleNamespace

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MESSAGES = {
    "Shape": "int64* dim=1",
    "Blob": "int32 num=1, int32 channels=2, int32 height=3, int32 width=4, float* data=5, "
    "float* diff=6, Shape shape=7, double* double_data=8",
    "Param": "string name=1, float lr_mult=3",
    "InnerProduct": "uint32 num_output=1, bool transpose=6",
    "Python": "string module=1, string layer=2, string param_str=3",
    "Layer": "string name=1, string type=2, string+ bottom=3, string+ top=4, Param+ param=6, "
    "Blob+ blobs=7, InnerProduct inner_product_param=117, Python python_param=130",
    "V1Layer": "string+ bottom=2, string+ top=3, string name=4, int32 type=5, Blob+ blobs=6, "
    "string+ param=1001",
    "Net": "string name=1, V1Layer+ layers=2, Layer+ layer=100",
}  # * packed, + repeated


def _messages() -> SimpleNamespace:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            kind, field = text.split(" ")
            added = message.field.add(name=field.split("=")[0], number=int(field.split("=")[1]))
            added.label = kinds.LABEL_REPEATED if kind[-1] in "*+" else kinds.LABEL_OPTIONAL
            added.options.packed = kind.endswith("*")
            kind = kind.rstrip("*+")
            if kind in MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    made = {n: message_factory.GetMessageClass(find(f"caffe.{n}")) for n in MESSAGES}
    return SimpleNamespace(**made)


MESSAGE = _messages()
