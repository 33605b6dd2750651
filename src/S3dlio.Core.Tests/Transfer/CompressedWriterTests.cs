using System.Diagnostics;
using S3dlio.Storage;
using S3dlio.Tests.Compression;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

public class CompressedWriterTests
{
    static readonly CancellationToken None = CancellationToken.None;

    [NeedsProgram("zstd")]
    public async Task Complete_TextAndNoise_IsReadByTheZstdProgram()
    {
        var directory = new TemporaryDirectory();
        var store = StoreFactory.Open(StoreUri.Parse($"file://{directory.Path}"), StoreOptions.Default);
        foreach (int length in (int[])[0, 1, 4096, (4 << 20) - 1, 4 << 20, (9 << 20) + 7])
        {
            byte[] raw = [.. SmallObject.Text(length / 2, length), .. SmallObject.Noise(length - (length / 2), length)];
            await using var output = await ObjectOutput.OpenAsync(store, "x", 3, PutOptions.Default, None);
            await output.WriteAsync(LargeMemory.From(raw.AsMemory()), null, None);
            await output.CompleteAsync(None);
            Zstd("-t", directory.Path + "/x.zst");
            Zstd("-d", "-f", directory.Path + "/x.zst", "-o", directory.Path + "/raw");
            Assert.True(raw.AsSpan().SequenceEqual(File.ReadAllBytes(directory.Path + "/raw")), $"{length} bytes differ");
        }
        directory.Delete();
    }

    [Fact]
    public async Task Complete_InTheBackground_GivesTheSameBytes()
    {
        var store = StoreFactory.Open(StoreUri.Parse("memory://behind"), StoreOptions.Default);
        byte[] raw = SmallObject.Text(11 << 20, 3);
        foreach (bool background in (bool[])[true, false])
        {
            await using var output = await ObjectOutput.OpenAsync(
                store, $"{background}", 3, PutOptions.Default with { Background = background }, None);
            await output.WriteAsync(LargeMemory.From(raw.AsMemory()), null, None);
            await output.CompleteAsync(None);
        }
        var behind = await store.HeadAsync("True.zst", None);
        Assert.Equal((await store.HeadAsync("False.zst", None)).Checksum, behind.Checksum);
    }

    [Fact]
    public async Task Write_FailingStore_SaysSoAndIsDisposedOnce()
    {
        var inner = new CountingWriter { FailsAfter = 1 << 20 };
        var writer = new CompressedWriter(inner, 3, "memory://x");
        var data = SmallObject.Noise(40 << 20, 1);
        await Assert.ThrowsAsync<IOException>(async () => await writer.WriteAsync(data, None));
        Assert.Equal(ErrorKind.Closed, (await Assert.ThrowsAsync<StoreException>(async () => await writer.WriteAsync(data, None))).Kind);
        Assert.Equal(ErrorKind.Closed, (await Assert.ThrowsAsync<StoreException>(async () => await writer.CompleteAsync(None))).Kind);
        await writer.DisposeAsync();
        await writer.DisposeAsync();
        Assert.Equal(1, inner.Disposals);
    }

    [Fact]
    public async Task Write_Cancelled_LetsTheMemoryGo()
    {
        using var stop = new CancellationTokenSource();
        var inner = new CountingWriter { OnWrite = stop.Cancel };
        var writer = new CompressedWriter(inner, 3, "memory://x");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await writer.WriteAsync(SmallObject.Noise(60 << 20, 1), stop.Token));
        await writer.DisposeAsync();
        Assert.Equal(1, inner.Disposals);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(23)]
    public async Task Open_LevelOutsideTheRange_IsRefused(int level)
    {
        var store = StoreFactory.Open(StoreUri.Parse("memory://levels"), StoreOptions.Default);
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await ObjectOutput.OpenAsync(store, "x", level, PutOptions.Default, None));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
    }

    static void Zstd(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("zstd", ["-q", .. arguments]) { RedirectStandardError = true })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"zstd {string.Join(' ', arguments)} ended with {process.ExitCode}: {errors}");
    }
}
