using System.Buffers.Binary;
using S3dlio.Datasets;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Fuzz.Targets;

/// <summary>A manifest of a data set's objects, whose arrays may contradict each other.</summary>
sealed class ObjectManifestTarget : Target
{
    const int Front = 16;

    readonly ObjectStore _store = StoreFactory.Open(StoreUri.Parse("memory://fuzz-manifest/"), StoreOptions.Parse("", "memory://"));

    public override string Name => "object-manifest";

    public override IEnumerable<byte[]> Seeds => [Make(2), Make(5), Make(1)];

    public override IReadOnlyList<string> Tokens { get; } =
        ["\"offset\":", "\"length\":", "\"type\":\"u8\"", "\"samples\":9223372036854775807", "\"samples\":0", "\"bases\":[]", "-1", "64",
            "\"root_of\":", "\"version\":2", "null", "\\ud800", "\"kind\":\"tar index\""];

    /// <summary>The header's length is left, its checksum is made right.</summary>
    public override byte[] Repair(byte[] input)
    {
        if (input.Length < Front)
            return input;
        byte[] whole = [.. input];
        "S3DLIOST"u8.CopyTo(whole);
        long length = Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(whole.AsSpan(8)), whole.Length - Front);
        BinaryPrimitives.WriteUInt32LittleEndian(whole.AsSpan(12), Checksum.Of(whole.AsSpan(Front, (int)length)).Value);
        return whole;
    }

    public override bool Documents(Exception fault) =>
        fault is StoreException { Kind: ErrorKind.InvalidData or ErrorKind.ChecksumMismatch };

    public override long Allowance(int length) => (2 << 20) + (256L * length);

    public override string Run(byte[] input) => RunAsync(input).GetAwaiter().GetResult();

    async Task<string> RunAsync(byte[] input)
    {
        await _store.PutAsync("m", new Payload(input), PutOptions.Default, null, CancellationToken.None);
        await using var manifest = await Manifest.OpenAsync(_store, "m", CancellationToken.None);
        var damage = await manifest.CheckAsync(CancellationToken.None);
        long seen = 0;
        await foreach (var entry in manifest.EntriesAsync(CancellationToken.None))
        {
            Must(entry.Size is null or >= 0 && entry.Uri == manifest.Bases[entry.Base] + entry.Key, "an object is below its base");
            seen++;
        }
        Must(seen == manifest.Count, "each object comes once");
        return $"{manifest.Count} {manifest.Bases.Count} {damage.Count > 0}";
    }

    static byte[] Make(int count)
    {
        SectionArray keys = new("keys", "u8"), starts = new("starts", "u64"), sizes = new("sizes", "i64"), tags = new("etags", "u8");
        SectionArray checksums = new("crc32c", "u32"), known = new("known", "u8");
        for (int i = 0; i < count; i++)
        {
            starts.Append((ulong)keys.Length);
            keys.Append("abc"u8[..(i % 3)]);
            sizes.Append((long)i);
            tags.Append(UInt128.One);
            checksums.Append((uint)i);
            known.Append((byte)(i % 2));
        }
        starts.Append((ulong)keys.Length);
        var store = StoreFactory.Open(StoreUri.Parse("memory://fuzz-manifest-seeds/"), StoreOptions.Parse("", "memory://"));
        SectionFile.WriteAsync(store, "m", Manifest.Kind, json =>
        {
            json.WriteNumber("samples", count);
            json.WriteStartArray("bases");
            json.WriteStringValue("s3://bucket/a/");
            json.WriteEndArray();
        }, [keys, starts, sizes, tags, checksums, known], CancellationToken.None).AsTask().GetAwaiter().GetResult();
        byte[] found = [];
        Transfer.ObjectRead.WholeAsync(
            store, "m", size => LargeMemory.From((found = new byte[size]).AsMemory()), new Transfer.Validation(null), new Ignored(),
            CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return found;
    }

    sealed class Ignored : Transfer.ITransferProgress
    {
        public void Begin(long total)
        {
            // nobody looks
        }

        public void Report(long value)
        {
            // nobody looks
        }
    }
}
