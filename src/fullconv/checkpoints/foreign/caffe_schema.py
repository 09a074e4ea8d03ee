"""The few messages of Caffe's files that hold weights, as a protobuf schema built here.

Numbers and types are those of BVLC/caffe, src/caffe/proto/caffe.proto; what is not named here is
skipped. Two fields have another type than there, with the same bytes in the file: packed numbers
(``data``, ``double_data``) and the shape are `bytes`, so that nothing grows while it is parsed.
"""

from functools import cache
from types import SimpleNamespace

from fullconv.errors import UserError

# Of a NetParameter: where its layers are, in the newer and the older generation.
LAYER, V1_LAYER = 100, 2

# message: (field, number, type, repeated); a type in capitals is another message.
MESSAGES = {
    "Shape": (("dim", 1, "int64", True),),
    "Blob": (
        ("num", 1, "int32", False),
        ("channels", 2, "int32", False),
        ("height", 3, "int32", False),
        ("width", 4, "int32", False),
        ("data", 5, "bytes", False),
        ("shape", 7, "bytes", False),
        ("double_data", 8, "bytes", False),
    ),
    "Param": (("name", 1, "bytes", False),),
    "InnerProduct": (("transpose", 6, "bool", False),),
    "Python": (("layer", 2, "bytes", False), ("param_str", 3, "bytes", False)),
    "Layer": (
        ("name", 1, "bytes", False),
        ("param", 6, "Param", True),
        ("blobs", 7, "Blob", True),
        ("inner_product_param", 117, "InnerProduct", False),
        ("python_param", 130, "Python", False),
    ),
    "V1Layer": (
        ("name", 4, "bytes", False),
        ("type", 5, "int32", False),
        ("blobs", 6, "Blob", True),
        ("param", 1001, "bytes", True),
    ),
}


@cache
def messages() -> SimpleNamespace:
    """The message classes by name; UserError without protobuf."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise UserError(
            "reading Caffe's files needs protobuf: pip install 'fullconv[convert]'"
        ) from None
    file = descriptor_pb2.FileDescriptorProto(
        name="fullconv/caffe.proto", package="fullconv.caffe", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number)
            added.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".fullconv.caffe.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
            added.options.packed = name == "Shape"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"fullconv.caffe.{name}"))
        for name in MESSAGES
    }
    return SimpleNamespace(**found)
