using System.Runtime.InteropServices;
using S3dlio.Datasets;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Data sets: the order of their samples, and the reading of batches.</summary>
static unsafe partial class Exports
{
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
        ObjectRefStruct* objects, nuint objectCount, ObjectReadStruct* ranges, nuint count, byte* options, ulong* outOperation) => Begin(outOperation, () =>
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
            wanted[i] = new SampleRead((int)read.Object, (long)read.Offset, Arguments.Memory(read.Data, read.Length, $"ranges[{i}]"), expected);
        }
        return SampleJobs.Read(places, wanted, SampleOptions.Parse(Json(options)));
    });
}
