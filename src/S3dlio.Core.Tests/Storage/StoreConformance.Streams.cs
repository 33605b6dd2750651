using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tests.Compression;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Streams over every store, compressed and plain.</summary>
public abstract partial class StoreConformance
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData((8 << 20) - 1)]
    [InlineData(8 << 20)]
    [InlineData((8 << 20) + 1)]
    [InlineData((64 << 20) + 7)]
    public virtual async Task Stream_AnyLength_RoundTrips(int length)
    {
        foreach (var raw in (byte[][])[SmallObject.Text(length, length), RandomBytes(length, length)])
        {
            foreach (int? level in (int?[])[null, 1])
            {
                string key = level is null ? "streams/plain" : "streams/x";
                var written = await Stream(key, raw, level, length < 5000 ? 1000 : (3 << 20) + 1);
                Assert.Equal(level is null ? key : "streams/x.zst", written.Object.Key);
                Assert.Equal((long)length, written.RawLength);
                Assert.Equal(Checksum.Of(raw), written.RawChecksum);
                Assert.Equal((await Store.HeadAsync(written.Object.Key, None)).Size, written.Object.Size);
                Assert.Equal(Checksum.Of(await Get(written.Object.Key)), written.Object.Checksum);
                Assert.True(level is not null || written.Object.Size == length);
                Assert.True(written.Object.Size <= length + (length / 1000) + 500);
                var read = await Open(written.Object.Key, Decompress.Auto);
                Assert.True(raw.AsSpan().SequenceEqual(read));
            }
        }
    }

    [Fact]
    public virtual async Task Stream_RandomRangesOfCompressed_GiveThoseBytesFromFewFrames()
    {
        byte[] raw = [.. SmallObject.Text(11 << 20, 1), .. RandomBytes((6 << 20) + 3, 2)];
        await Stream("streams/ranges", raw, 3, raw.Length);
        await using var reader = Assert.IsType<CompressedReader>(
            await ObjectInput.OpenAsync(Store, "streams/ranges", Decompress.Auto, ReadOptions.Default, None));
        var random = new Random(3);
        var part = new byte[64 << 10];
        for (int i = 0; i < 50; i++)
        {
            int offset = i == 0 ? raw.Length - part.Length : random.Next(raw.Length - part.Length);
            int before = reader.FramesDecoded;
            await reader.ReadAsync(offset, part, None);
            Assert.True(raw.AsSpan(offset, part.Length).SequenceEqual(part), $"bytes from {offset} differ");
            Assert.InRange(reader.FramesDecoded - before, 0, 2);
        }
        var all = new byte[raw.Length];
        await Parallel.ForEachAsync(Enumerable.Range(0, 40), async (i, cancel) =>
        {
            int begin = (int)((long)raw.Length * i / 40), end = (int)((long)raw.Length * (i + 1) / 40);
            await reader.ReadAsync(begin, all.AsMemory(begin, end - begin), cancel);
        });
        Assert.True(raw.AsSpan().SequenceEqual(all));
        await Fails(ErrorKind.InvalidArgument, "streams/ranges.zst", () => reader.ReadAsync(raw.Length - 1, part, None).AsTask());
    }

    [Fact]
    public virtual async Task Stream_Disposed_LeavesNothing()
    {
        foreach (int? level in (int?[])[null, 3])
        {
            var output = await ObjectOutput.OpenAsync(Store, "streams/left", level, PutOptions.Default, None);
            await output.WriteAsync(LargeMemory.From(RandomBytes(20 << 20, 5).AsMemory()), null, None);
            await output.DisposeAsync();
            await Fails(ErrorKind.Closed, output.Key,
                () => output.WriteAsync(LargeMemory.From(new byte[1].AsMemory()), null, None).AsTask());
        }
        Assert.Empty(await List("streams/"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(3)]
    public virtual async Task Stream_WriteOrCompletionInterrupted_CannotBeCompleted(int? level)
    {
        var cancelled = new CancellationToken(canceled: true);
        // before its first byte; in its midst, after many; and a failure of the store's in between is as good as a cancel
        foreach (int taken in (int[])[0, 100, (17 << 20) + 1])
        {
            await using var output = await ObjectOutput.OpenAsync(Store, "streams/torn", level, PutOptions.Default, None);
            await output.WriteAsync(LargeMemory.From(RandomBytes(taken, 6).AsMemory()), null, None);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                async () => await output.WriteAsync(LargeMemory.From(new byte[9].AsMemory()), null, cancelled));
            await Fails(ErrorKind.Closed, output.Key,
                () => output.WriteAsync(LargeMemory.From(new byte[9].AsMemory()), null, None).AsTask());
            await Fails(ErrorKind.Closed, output.Key, () => output.CompleteAsync(None).AsTask());
            await output.DisposeAsync();
            Assert.Empty(await List("streams/torn"));
        }
        for (int delay = 0; delay < 12; delay++)
        {
            using var soon = new CancellationTokenSource();
            await using var output = await ObjectOutput.OpenAsync(Store, "streams/torn", level, PutOptions.Default, None);
            var writing = Task.Run(async () =>
            {
                // 60 MiB: a journal takes no longer streams, however fast they come
                for (int i = 0; i < 12; i++)
                    await output.WriteAsync(LargeMemory.From(RandomBytes(5 << 20, i).AsMemory()), null, soon.Token);
            });
            await Task.Delay(delay * delay);
            await soon.CancelAsync();
            try
            {
                await writing;
                continue;
            }
            catch (OperationCanceledException)
            {
                await Fails(ErrorKind.Closed, output.Key, () => output.CompleteAsync(None).AsTask());
            }
            await output.DisposeAsync();
            Assert.Empty(await List("streams/torn"));
        }
        await using var whole = await ObjectOutput.OpenAsync(Store, "streams/torn", level, PutOptions.Default, None);
        await whole.WriteAsync(LargeMemory.From(RandomBytes(100, 6).AsMemory()), null, None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await whole.CompleteAsync(cancelled));
        await Fails(ErrorKind.Closed, whole.Key, () => whole.CompleteAsync(None).AsTask());
        await whole.DisposeAsync();
        Assert.Empty(await List("streams/torn"));
    }

    [Fact]
    public virtual async Task Stream_NameWithSuffix_GetsNoSecond()
    {
        var written = await Stream("streams/y.zst", [1, 2, 3], 3, 3);
        Assert.Equal("streams/y.zst", written.Object.Key);
        Assert.Equal([1, 2, 3], await Open("streams/y.zst", Decompress.Auto));
        Assert.Equal([1, 2, 3], await Open("streams/y", Decompress.Auto));
        Assert.Equal(await Get("streams/y.zst"), await Open("streams/y.zst", Decompress.Never));
        await Fails(ErrorKind.NotFound, "streams/z", () => Open("streams/z", Decompress.Auto));
    }

    [Fact]
    public async Task Stream_NotCompressed_IsRefusedWhereDecompressionIsAsked()
    {
        await Put("streams/plain", "plain");
        await Put("streams/plain.zst", "plain");
        await Fails(ErrorKind.InvalidData, "streams/plain", () => Open("streams/plain", Decompress.Always));
        await Fails(ErrorKind.InvalidData, "streams/plain.zst", () => Open("streams/plain.zst", Decompress.Auto));
        Assert.Equal("plain"u8.ToArray(), await Open("streams/plain", Decompress.Auto));
    }

    [Fact]
    public virtual async Task Stream_DamagedFrame_IsToldByEveryReadThatTouchesIt()
    {
        var raw = SmallObject.Text(9 << 20, 8);
        var written = await Stream("streams/d", raw, 3, raw.Length);
        var stored = await Get(written.Object.Key);
        stored[stored.Length / 2] ^= 1;
        // with a record of its own: the store sees nothing wrong with it
        await Put("streams/d.zst", stored);
        await using var reader = await ObjectInput.OpenAsync(Store, "streams/d", Decompress.Auto, ReadOptions.Default, None);
        var part = new byte[100];
        await reader.ReadAsync(0, part, None);
        var before = part.ToArray();
        var error = await Fails(ErrorKind.ChecksumMismatch, "streams/d.zst", () => reader.ReadAsync(raw.Length / 2, part, None).AsTask());
        Assert.NotNull(error.Offset);
        Assert.Contains("recorded when it was written", error.Message, StringComparison.Ordinal);
        // nothing of the damaged frame
        Assert.Equal(before, part);
        var all = new byte[raw.Length];
        await Fails(ErrorKind.ChecksumMismatch, "streams/d.zst", () => reader.ReadAsync(0, all, None).AsTask());
        Assert.Equal(-1, all.AsSpan(4 << 20, 4 << 20).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public virtual async Task Stream_WithoutSeekTable_IsReadFromItsFront()
    {
        var raw = SmallObject.Text(3 << 20, 9);
        byte[] stored = [.. SmallObject.Frame(raw.AsSpan(0, 1 << 20)), .. SmallObject.Frame(raw.AsSpan(1 << 20))];
        await Put("streams/w.zst", stored);
        Assert.Equal(raw, await Open("streams/w", Decompress.Auto));
        await using var reader = Assert.IsType<SequentialReader>(
            await ObjectInput.OpenStreamAsync(Store, "streams/w", Decompress.Auto, ReadOptions.Default, None));
        Assert.Equal(SequentialReader.UnknownSize, reader.Meta.Size);
        var part = new byte[1000];
        foreach (int offset in (int[])[5, 2_000_000, 100, (3 << 20) - 1000])
        {
            Assert.Equal(part.Length, await reader.ReadSomeAsync(offset, part, None));
            Assert.True(raw.AsSpan(offset, part.Length).SequenceEqual(part));
        }
        Assert.Equal(7, await reader.ReadSomeAsync((3 << 20) - 7, part, None));
        Assert.Equal(raw.Length, reader.Meta.Size);
        Assert.Equal(0, await reader.ReadSomeAsync(long.MaxValue, part, None));
        var cut = SmallObject.Frame(raw)[..^1];
        await Put("streams/cut.zst", cut);
        var error = await Fails(ErrorKind.InvalidData, "streams/cut.zst", () => Open("streams/cut", Decompress.Auto));
        Assert.Equal(cut.Length, error.Offset);
    }

    [Fact]
    public virtual async Task Forms_EachSave_IsWhatAReadOfItsNameGives()
    {
        foreach (var (key, level, stored) in ((string, int?, string)[])
            [
                ("forms/p", null, "forms/p"), ("forms/c", 1, "forms/c.zst"),
                ("forms/n.zst", null, "forms/n.zst"), ("forms/n.zst", 1, "forms/n.zst"),
            ])
        {
            // the second save replaces the first, in the same form
            foreach (int length in (int[])[100_000, 70_000])
            {
                var raw = SmallObject.Text(length, length);
                var (meta, checksum) = await SaveForm(key, level, raw);
                Assert.Equal(Checksum.Of(raw), checksum);
                Assert.Equal(stored, meta.Key);
                foreach (string name in (string[])[key, stored, stored[..^(stored.EndsWith(".zst") ? 4 : 0)]])
                    Assert.Equal(raw, await Open(name, Decompress.Auto));
            }
        }
        Assert.Equal(["forms/c.zst", "forms/n.zst", "forms/p"], await List("forms/"));
    }

    [Fact]
    public async Task Forms_CompressedUnderANameThatIsTaken_RefusedAndNothingWritten()
    {
        byte[] old = [1], fresh = [2];
        await SaveForm("forms/x", null, old);
        foreach (string present in (string[])["forms/x", "forms/x.zst"])
        {
            var error = await Fails(ErrorKind.AlreadyExists, "forms/x", () => SaveForm("forms/x", 1, fresh));
            Assert.Contains("\"x.zst\"", error.Message);
            await Fails(ErrorKind.AlreadyExists, "forms/x", () => Stream("forms/x", fresh, 1, 1));
            Assert.Equal(old, await Open("forms/x", Decompress.Auto));
            // who names the compressed object is given it, and it is no obstacle to a later save of that name
            await SaveForm("forms/x.zst", 1, old);
            Assert.Equal(old, await Open("forms/x.zst", Decompress.Auto));
        }
        // a plain save needs no look: reads of its name meet it first
        await SaveForm("forms/x", null, fresh);
        Assert.Equal(fresh, await Open("forms/x", Decompress.Auto));
        Assert.Equal(old, await Open("forms/x.zst", Decompress.Auto));
        await Store.DeleteAsync(["forms/x"], None);
        Assert.Equal(old, await Open("forms/x", Decompress.Auto));
    }

    [Fact]
    public virtual async Task Forms_CreateOnly_FailsInEitherForm()
    {
        await SaveForm("forms/z", 1, [1]);
        foreach (var (level, taken) in ((int?, string)[])[(null, "forms/z.zst"), (1, "forms/z.zst")])
            await Fails(ErrorKind.AlreadyExists, taken, () => SaveForm("forms/z", level, [2], overwrite: false));
        Assert.Equal(["forms/z.zst"], await List("forms/"));
    }

    [Fact]
    public virtual async Task Forms_PlainSaveDuringACompressedOne_TheCompressedOneIsTold()
    {
        await using var output = await ObjectOutput.OpenAsync(Store, "forms/r", 1, PutOptions.Default, None);
        await output.WriteAsync(LargeMemory.From(new byte[10]), null, None);
        await SaveForm("forms/r", null, [7]);
        var error = await Fails(ErrorKind.AlreadyExists, "forms/r", () => output.CompleteAsync(None).AsTask());
        Assert.Contains("another writer", error.Message);
        Assert.Equal([7], await Open("forms/r", Decompress.Auto));
        Assert.Equal(new byte[10], await Open("forms/r.zst", Decompress.Auto));
    }

    Task<(ObjectMeta Stored, Checksum Raw)> SaveForm(string key, int? level, byte[] raw, bool overwrite = true) => PayloadOutput.SaveAsync(
        Store, key, level, new Payload(raw), new PutOptions { Overwrite = overwrite }, NoProgress.Instance, None).AsTask();

    async Task<OutputSummary> Stream(string key, byte[] raw, int? level, int piece)
    {
        await using var output = await ObjectOutput.OpenAsync(Store, key, level, PutOptions.Default, None);
        for (int at = 0; at < raw.Length; at += piece)
            await output.WriteAsync(LargeMemory.From(raw.AsMemory(at, Math.Min(piece, raw.Length - at))), null, None);
        return await output.CompleteAsync(None);
    }

    async Task<byte[]> Open(string key, Decompress mode)
    {
        await using var reader = await ObjectInput.OpenAsync(Store, key, mode, ReadOptions.Default, None);
        var raw = new byte[reader.Meta.Size];
        var found = await ParallelRead.ReadAsync(reader, 0, LargeMemory.From(raw.AsMemory()), true, null, None);
        // a store may keep no checksum of a plain object that came in parts; the format of compressed ones always does
        Assert.True(reader.Meta.Checksum is not null || reader is not CompressedReader);
        Assert.Equal(reader.Meta.Checksum ?? found, found);
        return raw;
    }
}
