using System.Text;
using System.Text.Json;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>The JSON of a safetensors header, each part checked on its own. What the parts say about each other and about the
/// object is <see cref="SafetensorsHeader"/>'s matter.</summary>
sealed class SafetensorsJson
{
    internal const string MetadataKey = "__metadata__";

    /// <summary>The tensors in the header's order, each with the byte of the object at which its name stands.</summary>
    internal List<(TensorEntry Tensor, int HeadOffset)> Tensors { get; } = [];

    /// <summary>All entries of <c>__metadata__</c>.</summary>
    internal Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>The byte of the object at which the header's own checksum stands as plain text, or -1.</summary>
    internal int HeaderChecksumOffset { get; private set; } = -1;

    /// <exception cref="StoreException">InvalidData: no strict JSON, or not a safetensors header's.</exception>
    internal static SafetensorsJson Read(ReadOnlySpan<byte> head, string uri)
    {
        var json = new SafetensorsJson();
        new Parser(head[SafetensorsHeader.PrefixLength..], uri, json).Header();
        return json;
    }

    ref struct Parser(ReadOnlySpan<byte> text, string uri, SafetensorsJson json)
    {
        // header, tensor, array
        const int MaxDepth = 3;

        Utf8JsonReader reader = new(
            text, new JsonReaderOptions
            {
                MaxDepth = MaxDepth,
                CommentHandling = JsonCommentHandling.Disallow,
                AllowTrailingCommas = false
            });

        readonly int At => SafetensorsHeader.PrefixLength + (int)reader.TokenStartIndex;

        internal void Header()
        {
            Next("the header's object");
            Require(JsonTokenType.StartObject, "the header's object");
            var names = new HashSet<string>(StringComparer.Ordinal);
            while (NextProperty("the name of a tensor"))
            {
                int at = At;
                string name = Text("the name of a tensor");
                if (!names.Add(name))
                    throw Fault($"expected each name once, found {MessageText.Quote(name)} again", at);
                if (name == MetadataKey)
                    ReadMetadata();
                else
                    ReadTensor(name, at);
            }
            if (TryNext())
                throw Fault("expected nothing behind the header's object", At);
        }

        void ReadMetadata()
        {
            Next("the object of __metadata__");
            // as if it were not there, which is how the reference reads it
            if (reader.TokenType == JsonTokenType.Null)
                return;
            Require(JsonTokenType.StartObject, "the object of __metadata__");
            while (NextProperty("a key of __metadata__"))
            {
                int at = At;
                string key = Text("a key of __metadata__");
                Next("a string in __metadata__");
                Require(JsonTokenType.String, "a string as __metadata__ entry", key);
                if (key == SafetensorsChecksums.HeaderKey && !reader.ValueIsEscaped)
                    json.HeaderChecksumOffset = At + 1;
                if (!json.Metadata.TryAdd(key, Text("a string in __metadata__")))
                    throw Fault($"expected each key of __metadata__ once, found {MessageText.Quote(key)} again", at);
            }
        }

        void ReadTensor(string name, int nameAt)
        {
            if (json.Tensors.Count == SafetensorsHeader.MaxTensors)
                throw Fault($"expected at most {SafetensorsHeader.MaxTensors} tensors, found more", nameAt);
            if (Encoding.UTF8.GetByteCount(name) > SafetensorsHeader.MaxNameLength)
                throw Fault($"expected names of at most {SafetensorsHeader.MaxNameLength} bytes, found {MessageText.Quote(name)}", nameAt);
            DType? type = null;
            long[]? shape = null, offsets = null;
            Next("the object of tensor", name);
            Require(JsonTokenType.StartObject, "the object of tensor", name);
            while (NextProperty("a field of tensor", name))
            {
                int at = At;
                string field = Text("a field's name");
                bool again = field switch
                {
                    "dtype" => type is not null,
                    "shape" => shape is not null,
                    "data_offsets" => offsets is not null,
                    _ => throw Fault(
                        $"expected the fields dtype, shape and data_offsets of tensor {MessageText.Quote(name)}, found "
                        + $"{MessageText.Quote(field)}", at),
                };
                if (again)
                    throw Fault($"expected each field of tensor {MessageText.Quote(name)} once, found {field} again", at);
                if (field == "dtype")
                    type = ReadType(name);
                else if (field == "shape")
                    shape = ReadIntegers("the shape of tensor", name, SafetensorsHeader.MaxRank);
                else
                    offsets = ReadIntegers("the data_offsets of tensor", name, 2);
            }
            if (type is not DType dtype || shape is null || offsets is null)
            {
                string missing = type is null ? "dtype" : shape is null ? "shape" : "data_offsets";
                throw Fault($"expected the fields dtype, shape and data_offsets of tensor {MessageText.Quote(name)}, found no {missing}",
                    nameAt);
            }
            if (offsets.Length != 2)
                throw Fault($"expected begin and end as data_offsets of tensor {MessageText.Quote(name)}, found {offsets.Length} numbers",
                    nameAt);
            if (offsets[1] < offsets[0])
                throw Fault($"expected data_offsets of tensor {MessageText.Quote(name)} that end at or behind their begin, found "
                    + $"{offsets[0]} to {offsets[1]}", nameAt);
            if (dtype.TryByteLength(shape, out long bytes) is string problem)
                throw Fault($"tensor {MessageText.Quote(name)}: {problem}", nameAt);
            if (offsets[1] - offsets[0] != bytes)
            {
                throw Fault($"expected {bytes} bytes for tensor {MessageText.Quote(name)} of {dtype.Name()} "
                    + $"{FormatFault.ShapeText(shape)}, " +
                    $"found data_offsets {offsets[0]} to {offsets[1]}, {offsets[1] - offsets[0]} bytes", nameAt);
            }
            json.Tensors.Add((new TensorEntry(name, dtype, shape, offsets[0], offsets[1]), nameAt));
        }

        DType ReadType(string tensor)
        {
            Next("the dtype of tensor", tensor);
            Require(JsonTokenType.String, "a string as dtype of tensor", tensor);
            string name = Text("a dtype");
            if (DTypes.TryParse(name, out DType type))
                return type;
            throw FormatFault.Data(
                uri, $"expected a dtype that safetensors 0.8 knows for tensor {MessageText.Quote(tensor)}, found "
                + $"{MessageText.Quote(name)}; " +
                "update s3dlio, or convert the tensor where it was written", At);
        }

        long[] ReadIntegers(string field, string tensor, int maxCount)
        {
            Next(field, tensor);
            if (reader.TokenType != JsonTokenType.StartArray)
                Require(JsonTokenType.StartArray, $"an array as {field}", tensor);
            Span<long> numbers = stackalloc long[SafetensorsHeader.MaxRank];
            int count = 0;
            while (true)
            {
                Next(field, tensor);
                if (reader.TokenType == JsonTokenType.EndArray)
                    return numbers[..count].ToArray();
                if (reader.TokenType != JsonTokenType.Number)
                    Require(JsonTokenType.Number, $"integers in {field}", tensor);
                if (count == maxCount)
                    throw Fault($"expected at most {maxCount} numbers in {Whole(field, tensor)}, found more", At);
                // digits only: 1.0, 1e3 and -0 are numbers of JSON but no sizes
                if (reader.ValueSpan.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !reader.TryGetInt64(out long value))
                {
                    throw Fault($"expected integers from 0 to 2^63-1 in {Whole(field, tensor)}, found " +
                        MessageText.Quote(Encoding.UTF8.GetString(reader.ValueSpan)), At);
                }
                numbers[count++] = value;
            }
        }

        /// <param name="what">What is expected.</param>
        /// <param name="tensor">The tensor that it is of, whose name is quoted only when something is wrong with it.</param>
        bool NextProperty(string what, string? tensor = null)
        {
            Next(what, tensor);
            if (reader.TokenType == JsonTokenType.EndObject)
                return false;
            Require(JsonTokenType.PropertyName, what, tensor);
            return true;
        }

        void Next(string what, string? tensor = null)
        {
            if (!TryNext())
                throw Fault($"expected {Whole(what, tensor)}, found the end of the header",
                    SafetensorsHeader.PrefixLength + (int)reader.BytesConsumed);
        }

        bool TryNext()
        {
            try
            {
                return reader.Read();
            }
            catch (JsonException e)
            {
                // the reader adds line numbers, which mean nothing in a header of one line
                int line = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
                string reason = line < 0 ? e.Message : e.Message[..line];
                throw Fault($"expected strict JSON in the safetensors header, found a fault ({reason.TrimEnd('.')})",
                    SafetensorsHeader.PrefixLength + (int)reader.BytesConsumed);
            }
        }

        static string Whole(string what, string? tensor) => tensor is null ? what : $"{what} {MessageText.Quote(tensor)}";

        readonly void Require(JsonTokenType type, string what, string? tensor = null)
        {
            if (reader.TokenType != type)
                throw Fault($"expected {Whole(what, tensor)}, found {Describe(reader.TokenType)}", At);
        }

        readonly string Text(string what)
        {
            try
            {
                return reader.GetString()!;
            }
            catch (InvalidOperationException)
            {
                // the bytes are known to be UTF-8, so what remains is an escaped half of a surrogate pair
                throw Fault($"expected whole characters in {what}, found half of a surrogate pair", At);
            }
        }

        readonly StoreException Fault(string detail, int at) => FormatFault.Data(uri, $"{detail}; {SafetensorsHeader.Advice}", at);

        static string Describe(JsonTokenType type) => type switch
        {
            JsonTokenType.StartObject => "an object",
            JsonTokenType.StartArray => "an array",
            JsonTokenType.EndObject or JsonTokenType.EndArray => "an end",
            JsonTokenType.String => "a string",
            JsonTokenType.Number => "a number",
            JsonTokenType.Null => "null",
            _ => "a boolean",
        };
    }
}
