using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using S3dlio.Tests.Compression;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Files that grow: pieces written together, room reserved and given back.</summary>
public sealed class LocalWriterTests : IDisposable
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Delete();

    [Theory]
    [InlineData("file")]
    [InlineData("direct")]
    public async Task Write_PiecesAndBytesInTurns_AreOneObject(string scheme)
    {
        var store = new LocalStore(StoreUri.Parse($"{scheme}://{_directory.Path}"), StoreOptions.Default);
        var random = new Random(1);
        var all = new List<byte>();
        await using var writer = await store.OpenWriteAsync("x", PutOptions.Default, None);
        for (int i = 0; i < 12; i++)
        {
            // few and many, small and large: held back, written at once, and more than go into one call
            int most = i % 3 == 0 ? 100 : 40_000;
            var pieces = Enumerable.Range(0, random.Next(1, 400)).Select(
                n => (ReadOnlyMemory<byte>)SmallObject.Noise(n % 7 == 0 ? 0 : random.Next(most), n + i)).ToArray();
            byte[] joined = SmallObject.Join(pieces);
            await writer.WriteAsync(pieces, Checksum.Of(joined), None);
            var single = SmallObject.Noise(random.Next(400_000), i);
            await writer.WriteAsync(single, None);
            all.AddRange(joined);
            all.AddRange(single);
            Assert.Equal(all.Count, writer.Written);
        }
        var meta = await writer.CompleteAsync(None);
        byte[] expected = [.. all];
        Assert.Equal(Checksum.Of(expected), meta.Checksum);
        Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(_directory["x"])));
    }

    [Theory]
    [InlineData((31 << 20) + 1)]
    [InlineData(33 << 20)]
    [InlineData((65 << 20) + 4097)]
    public async Task Complete_LargeFile_HasTheRoomThatItNeeds(int length)
    {
        var store = new LocalStore(StoreUri.Parse($"file://{_directory.Path}"), StoreOptions.Default);
        await using var writer = await store.OpenWriteAsync("x", PutOptions.Default, None);
        var block = SmallObject.Noise(1 << 20, 1);
        for (int left = length; left > 0; left -= block.Length)
            await writer.WriteAsync(block.AsMemory(0, Math.Min(left, block.Length)), None);
        await writer.CompleteAsync(None);
        Assert.Equal(length, new FileInfo(_directory["x"]).Length);
        Assert.InRange(await AllocatedAsync(_directory["x"]), length, length + (1 << 20));
    }

    static async Task<long> AllocatedAsync(string path)
    {
        using var stat = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%b", path]) { RedirectStandardOutput = true })!;
        string blocks = await stat.StandardOutput.ReadToEndAsync();
        await stat.WaitForExitAsync();
        return long.Parse(blocks.Trim(), CultureInfo.InvariantCulture) * 512;
    }
}
