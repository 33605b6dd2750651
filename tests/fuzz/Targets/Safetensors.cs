using System.Buffers.Binary;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Fuzz.Targets;

/// <summary>A safetensors object: head and data; both of its forms, with checksums and without.</summary>
sealed class SafetensorsTarget : Target
{
    const string Uri = "memory://fuzz/x.safetensors";

    public override string Name => "safetensors";

    public override IEnumerable<byte[]> Seeds => [Seed(checksums: true), Seed(checksums: false), [8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8]];

    public override Grammar Grammar { get; } = new("file", new Dictionary<string, string[]>
    {
        ["file"] = ["12345678{«entries»}«data»", "12345678{\"__metadata__\":{«pairs»},«entries»}«data»"],
        ["data"] = ["", "xxxx", "xxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxxx"],
        ["entries"] = ["\"a\":«tensor»",
            "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[4,8]}",
            "\"«text»\":«tensor»,«entries»", "«text»", ""],
        ["tensor"] = ["{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}",
            "{\"dtype\":\"«dtype»\",\"shape\":[«numbers»],\"data_offsets\":[«number»,«number»]}", "{«fields»}"],
        ["fields"] = ["", "\"dtype\":\"«dtype»\",«fields»", "\"shape\":[«numbers»],«fields»", "\"data_offsets\":[«numbers»]",
            "\"«text»\":«number»"],
        ["dtype"] = ["U8", "F32", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "F4", "C64", "«text»"],
        ["numbers"] = ["", "«number»", "«number»,«numbers»"],
        ["pairs"] = ["", "\"«text»\":\"«text»\"",
            "\"s3dlio.format\":\"1\",\"s3dlio.crc32c\":\"crc32c:00000000\",\"s3dlio.crc32c/a\":\"crc32c:00000000\"",
            "\"s3dlio.«text»\":\"«text»\"", "\"a\":\"b\",\"a\":\"c\""],
    });

    public override IReadOnlyList<string> Tokens { get; } =
        ["\"__metadata__\":{", "\"dtype\":\"U8\"", "\"shape\":[", "\"data_offsets\":[0,", "\"s3dlio.crc32c\":\"crc32c:00000000\"",
            "\"s3dlio.crc32c/a\":\"", "\"s3dlio.format\":\"1\"", "]", "}", ",", "\\ud800", "\\u0000"];

    public override byte[] Repair(byte[] input)
    {
        if (input.Length < 8)
            return input;
        byte[] whole = [.. input];
        int end = whole.AsSpan().LastIndexOf((byte)'}') + 1;
        // padding belongs to the head
        while (end >= 8 && end < whole.Length && whole[end] == ' ')
            end++;
        if (end < 9)
            return input;
        BinaryPrimitives.WriteInt64LittleEndian(whole, end - 8);
        int own = whole.AsSpan(0, end).IndexOf("\"s3dlio.crc32c\":\"crc32c:"u8);
        if (own >= 0 && own + 17 + SafetensorsChecksums.Unknown.Length < end)
            SafetensorsChecksums.Put(whole, own + 17, SafetensorsChecksums.OfHead(whole.AsSpan(0, end), own + 17));
        return whole;
    }

    public override bool Documents(Exception fault) =>
        fault is StoreException { Kind: ErrorKind.InvalidData or ErrorKind.ChecksumMismatch };

    public override string Run(byte[] input)
    {
        int needed = SafetensorsHeader.RequiredLength(input.AsSpan(0, Math.Min(8, input.Length)), input.Length, Uri);
        Must(needed <= input.Length, "the length asked for lies within the object");
        var header = SafetensorsHeader.Parse(input.AsSpan(0, needed), input.Length, Uri);
        long end = 0;
        foreach (var tensor in header.Tensors)
        {
            Must(tensor.Begin == end && tensor.End >= tensor.Begin, "tensors lie one behind the other");
            Must(header.HasChecksums == tensor.Checksum.HasValue, "all tensors have checksums or none");
            end = tensor.End;
        }
        Must(header.DataOffset + end == input.Length, "the data ends with the object");
        Must(!header.HasChecksums || !header.Metadata.Keys.Any(key => key.StartsWith("s3dlio.", StringComparison.Ordinal)),
            "our entries are not the user's");
        WriteAgain(header);
        return $"{Math.Min(header.Tensors.Count, 3)} tensors, checksums {header.HasChecksums}, metadata "
            + $"{Math.Min(header.Metadata.Count, 2)}";
    }

    static void WriteAgain(SafetensorsHeader header)
    {
        var layout = SafetensorsLayout.Create(
            [.. header.Tensors.Select(tensor => new TensorSpec(tensor.Name, tensor.DType, tensor.Shape))], header.Metadata,
            header.HasChecksums, Uri);
        byte[] head = layout.BuildHead(
            header.HasChecksums ? [.. layout.Sources.Select(source => header.Tensors[source].Checksum!.Value)] : []);
        var same = SafetensorsHeader.Parse(head, layout.ObjectLength, Uri);
        Must(same.Tensors.Count == header.Tensors.Count && same.Metadata.Count == header.Metadata.Count
            && same.Metadata.All(pair => header.Metadata.TryGetValue(pair.Key, out string? value) && value == pair.Value),
                "metadata that is written again reads the same");
        foreach (var (a, b) in same.Tensors.OrderBy(
                t => t.Name, StringComparer.Ordinal).Zip(header.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal)))
            Must(a.Name == b.Name && a.DType == b.DType && a.Shape.SequenceEqual(b.Shape) && a.Checksum == b.Checksum,
                "tensors that are written again read the same");
    }

    static byte[] Seed(bool checksums)
    {
        var layout = SafetensorsLayout.Create(
            [new TensorSpec("a", DType.F32, [2]), new TensorSpec("b", DType.U8, [3])], new Dictionary<string, string> { ["step"] = "10" },
            checksums, Uri);
        byte[] data = Encoding.ASCII.GetBytes("12345678abc");
        byte[] head = layout.BuildHead(checksums ? [Checksum.Of(data.AsSpan(0, 8)), Checksum.Of(data.AsSpan(8))] : []);
        return [.. head, .. data];
    }
}
