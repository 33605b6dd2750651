using System.Runtime.InteropServices;
using S3dlio.Datasets;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Data sets: the order of their samples, the reading of batches, manifests.</summary>
static unsafe partial class Exports
{
    static readonly string[] KnownIndex = ["recursive", "pattern", "checksums", "max_in_flight", "uris"];

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_order_fill")]
    public static int OrderFill(
        long samples, ulong seed, long epoch, long block, long window, long first, nuint count, long* outIndices) => Guard.Run(() =>
    {
        var order = new SampleOrder(samples, seed, epoch, block, window);
        if (count > int.MaxValue)
            throw Arguments.Wrong("count", $"is {count}; at most {int.MaxValue} positions go into one call");
        if (count > 0)
            Arguments.Out(outIndices, "out_indices");
        order.Fill(first, new Span<long>(outIndices, (int)count));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_samples_read_begin")]
    public static int SamplesReadBegin(
        ObjectRefStruct* objects, nuint objectCount, ObjectReadStruct* ranges, nuint count, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var places = Refs(objects, objectCount, "objects");
        var wanted = new SampleRead[Arguments.Count(ranges, count, "ranges")];
        var all = new Structs.Inputs<ObjectReadStruct>(ranges, wanted.Length, "ranges");
        for (int i = 0; i < wanted.Length; i++)
        {
            var read = all[i];
            if (read.Object >= (ulong)places.Length || read.Offset > long.MaxValue)
                throw Arguments.Wrong(
                    $"ranges[{i}]", $"is of object {read.Object} from byte {read.Offset}; there are {places.Length} objects");
            Checksum? expected = read.Check != 0 ? new Checksum(read.Crc32c) : null;
            wanted[i] =
                new SampleRead((int)read.Object, (long)read.Offset, Arguments.Memory(read.Data, read.Length, $"ranges[{i}]"), expected);
        }
        return SampleJobs.Read(places, wanted, SampleOptions.Parse(Json(options)));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_manifest_write_begin")]
    public static int ManifestWriteBegin(
        ulong sourceStore, byte* path, nuint pathLength, ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (from, start) = (Store(sourceStore), Arguments.Key(path, pathLength, "path"));
        ObjectKey.CheckPrefix(from.Root, start);
        var what = new IndexOptions();
        foreach (var option in OptionReader.Read(Json(options), from.Root.Child(start)))
        {
            what = option.Name switch
            {
                "recursive" => what with { Recursive = option.AsBool() },
                "pattern" => what with { Pattern = Pattern(option) },
                "checksums" => what with
                {
                    Checksums = option.AsChoice("none", "recorded", "read") switch
                    {
                        "read" => IndexChecksums.Read,
                        "recorded" => IndexChecksums.Recorded,
                        _ => IndexChecksums.None,
                    },
                },
                "max_in_flight" => what with { InFlight = (int)option.AsInteger(1, 4096) },
                "uris" => what with { NamesUris = option.AsBool() },
                _ => throw option.Unknown(KnownIndex),
            };
        }
        return SampleJobs.Index(from, start, Store(store), Key(key, keyLength), what);
    });
}
