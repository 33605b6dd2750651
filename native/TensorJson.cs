using System.Buffers.Binary;
using System.Text.Json;
using S3dlio.Checkpoint;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>The JSON in which arrays and tensors are described across the ABI.</summary>
static class TensorJson
{
    /// <summary><c>{"descr":"'&lt;f4'","fortran_order":false,"shape":[2,3],"extension_type":"bfloat16"}</c></summary>
    public static byte[] ParseArray(string json, string uri)
    {
        string? descr = null, extension = null;
        bool fortran = false;
        long[]? shape = null;
        foreach (var option in OptionReader.Read(json, uri))
        {
            switch (option.Name)
            {
                case "descr": descr = option.AsText(); break;
                case "fortran_order": fortran = option.AsBool(); break;
                case "shape": shape = Shape(option); break;
                case "extension_type": extension = option.AsText(); break;
                default: throw option.Unknown(["descr", "fortran_order", "shape", "extension_type"]);
            }
        }
        if (descr is null || shape is null)
            throw new StoreException(ErrorKind.InvalidArgument, uri, "the description of an array needs 'descr' and 'shape'");
        return NpyHeader.Build(descr, fortran, shape, extension, uri);
    }

    public static byte[] Write(ulong file, NpyObject array) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("file", file);
        json.WriteString("descr", array.Header.Descr);
        json.WriteBoolean("fortran_order", array.Header.FortranOrder);
        json.WriteStartArray("shape");
        foreach (long extent in array.Header.Shape)
            json.WriteNumberValue(extent);
        json.WriteEndArray();
        json.WriteNumber("data_offset", array.Header.DataOffset);
        json.WriteNumber("data_length", array.DataLength);
        if (array.Header.ExtensionType is not null)
            json.WriteString("extension_type", array.Header.ExtensionType);
        json.WritePropertyName("meta");
        MetaJson.Append(json, array.Meta);
        json.WriteEndObject();
    });

    /// <summary>
    /// <c>{"tensors":[{"name":"w","dtype":"F32","shape":[2,3]}],"metadata":{…},"checksums":true,"blocks":false,"level":3,
    /// "shard":{…}}</c>
    /// </summary>
    public static (TensorSpec[] Tensors, IReadOnlyDictionary<string, string>? Metadata, bool Checksums, bool Blocks,
        int? Level, string? Shard) ParseTensors(string json, string uri)
    {
        TensorSpec[] tensors = [];
        IReadOnlyDictionary<string, string>? metadata = null;
        bool checksums = true, blocks = false;
        int? level = null;
        string? shard = null;
        foreach (var option in OptionReader.Read(json, uri))
        {
            switch (option.Name)
            {
                case "tensors": tensors = Tensors(option); break;
                case "metadata": metadata = option.AsTextMap(); break;
                case "checksums": checksums = option.AsBool(); break;
                case "blocks": blocks = option.AsBool(); break;
                case "level": level = (int)option.AsInteger(1, 22); break;
                case "shard": shard = option.Value.GetRawText(); break;
                default: throw option.Unknown(["tensors", "metadata", "checksums", "blocks", "level", "shard"]);
            }
        }
        if (blocks && !checksums)
            throw new StoreException(ErrorKind.InvalidArgument, uri, "'blocks' are checksums, and 'checksums' is false");
        if (level is not null && !blocks)
            throw new StoreException(ErrorKind.InvalidArgument, uri, "only tensors with 'blocks' can have a 'level' of compression");
        if (shard is not null && (!blocks || level is not null))
            throw new StoreException(
                ErrorKind.InvalidArgument, uri, "tensors of a 'shard' need 'blocks', and their 'level' is a member of the shard");
        return (tensors, metadata, checksums, blocks, level, shard);
    }

    /// <param name="output">The object.</param>
    /// <param name="tensors">Where each lies in it.</param>
    /// <param name="shard">What a checkpoint's manifest will say of it; null where it is none's.</param>
    public static byte[] Write(OutputSummary output, IReadOnlyList<TensorBlocks> tensors, ShardRecord? shard) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        if (shard is not null)
        {
            json.WritePropertyName("shard");
            ShardJson.WriteForCoordinator(json, shard);
        }
        json.WriteNumber("raw_size", output.RawLength);
        if (output.RawChecksum is { } raw)
            json.WriteString("raw_checksum", raw.ToString());
        json.WriteString("compression", output.Level is null ? "none" : "zstd");
        json.WritePropertyName("object");
        MetaJson.Append(json, output.Object);
        json.WriteStartArray("tensors");
        foreach (var tensor in tensors)
        {
            json.WriteStartObject();
            json.WriteNumber("offset", tensor.Offset);
            json.WriteNumber("nbytes", tensor.Tensor.Length);
            json.WriteString("checksum", tensor.Checksum.ToString());
            json.WriteNumber("block_length", tensor.BlockLength);
            var values = new byte[tensor.Blocks.Length * sizeof(uint)];
            for (int i = 0; i < tensor.Blocks.Length; i++)
                BinaryPrimitives.WriteUInt32BigEndian(values.AsSpan(i * sizeof(uint)), tensor.Blocks[i].Value);
            json.WriteBase64String("blocks", values);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public static byte[] Write(ulong file, SafetensorsObject tensors) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("file", file);
        json.WriteNumber("data_offset", tensors.Header.DataOffset);
        json.WriteStartArray("tensors");
        foreach (var tensor in tensors.Header.Tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("dtype", tensor.DType.Name());
            json.WriteStartArray("shape");
            foreach (long extent in tensor.Shape)
                json.WriteNumberValue(extent);
            json.WriteEndArray();
            json.WriteNumber("nbytes", tensor.Length);
            if (tensor.Checksum is { } checksum)
                json.WriteString("checksum", checksum.ToString());
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("metadata");
        foreach (var (name, value) in tensors.Header.Metadata)
            json.WriteString(name, value);
        json.WriteEndObject();
        json.WritePropertyName("meta");
        MetaJson.Append(json, tensors.Meta);
        json.WriteEndObject();
    });

    static TensorSpec[] Tensors(NamedOption option)
    {
        if (option.Value.ValueKind != JsonValueKind.Array)
            throw option.Wrong("an array of descriptions");
        var tensors = new List<TensorSpec>(option.Value.GetArrayLength());
        foreach (var item in option.Value.EnumerateArray())
        {
            string? name = null;
            DType? type = null;
            long[]? shape = null;
            foreach (var field in OptionReader.Read(item, option.Uri))
            {
                switch (field.Name)
                {
                    case "name": name = field.AsText(); break;
                    case "dtype":
                        type = DTypes.TryParse(field.AsText(), out var known)
                        ? known
                        : throw field.Wrong("a safetensors dtype such as 'F32'"); break;
                    case "shape": shape = Shape(field); break;
                    default: throw field.Unknown(["name", "dtype", "shape"]);
                }
            }
            if (name is null || type is null || shape is null)
                throw new StoreException(ErrorKind.InvalidArgument, option.Uri, "each tensor needs 'name', 'dtype' and 'shape'");
            tensors.Add(new TensorSpec(name, type.Value, shape));
        }
        return [.. tensors];
    }

    static long[] Shape(NamedOption option)
    {
        if (option.Value.ValueKind != JsonValueKind.Array)
            throw option.Wrong("an array of extents");
        var shape = new long[option.Value.GetArrayLength()];
        for (int i = 0; i < shape.Length; i++)
        {
            if (option.Value[i].ValueKind != JsonValueKind.Number || !option.Value[i].TryGetInt64(out shape[i]) || shape[i] < 0)
                throw option.Wrong("an array of whole numbers from 0");
        }
        return shape;
    }
}
