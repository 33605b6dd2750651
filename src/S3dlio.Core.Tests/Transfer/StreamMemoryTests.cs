using S3dlio.Tests.Compression;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

/// <summary>Tests of the whole process's memory: beside them no others run.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public class AloneGroup
{
    public const string Name = "alone";
}

[Collection(AloneGroup.Name)]
public class StreamMemoryTests
{
    /// <summary>S3DLIO_STREAM_GIB=10 sends that many gibibytes.</summary>
    static readonly int Gibibytes = int.Parse(
        Environment.GetEnvironmentVariable("S3DLIO_STREAM_GIB") ?? "1", System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public async Task Write_ManyTimesItsBuffers_KeepsMemoryFlat()
    {
        // small writes, so that everything passes the writer's own buffers
        var piece = SmallObject.Text(1 << 20, 1);
        var inner = new CountingWriter();
        await using var writer = new CompressedWriter(inner, 1, "memory://x");
        long before = GC.GetTotalMemory(forceFullCollection: true), most = 0;
        for (int i = 0; i < Gibibytes << 10; i++)
        {
            await writer.WriteAsync(piece, CancellationToken.None);
            if (i % 128 == 127)
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
        }
        await writer.CompleteAsync(CancellationToken.None);
        Assert.Equal((long)Gibibytes << 30, writer.Written);
        long buffers = (Math.Min(Environment.ProcessorCount, 16) + 1) * (9L << 20);
        Assert.InRange(most, 1 << 20, buffers + (16 << 20));
        Assert.InRange(inner.Written, 1, (long)Gibibytes << 29);
    }
}
