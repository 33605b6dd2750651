using S3dlio.Storage;
using S3dlio.Storage.Memory;
using Xunit;

namespace S3dlio.Table;

/// <summary>Damaged, cut, missing, swapped and hostile files: an error that names the file and the field, or the right rows.</summary>
public sealed class TableDamageTests : IDisposable
{
    static readonly TableOptions Options = Tables.Small() with { SegmentSize = 1 << 20 };

    readonly string _directory = Directory.CreateTempSubdirectory("s3dlio-table-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    TableModel Make()
    {
        using var table = EmbeddingTable.Open(_directory, Options);
        var model = new TableModel(Options.Optimizer, Tables.Dimension);
        for (int serial = 10; serial < 13; serial++)
        {
            // the first checkpoint has pages that no later one writes again
            var numbers = Enumerable.Range((serial - 10) * 20, 60).Concat(Enumerable.Range(5000, serial == 10 ? 300 : 0));
            long[] keys = [.. numbers.Select(one => (long)one)];
            float[] ones = [.. Enumerable.Repeat(1f, keys.Length * Tables.Dimension)];
            table.Apply(keys, ones, "a", serial);
            model.Apply("a", serial, keys, ones);
            if (serial == 12)
                break;
            table.Checkpoint(waits: true, default);
            table.Delete("b", serial, [3, 30], OnReplay.Raise, default, out _, out _);
            model.Delete("b", serial, [3, 30]);
        }
        table.Checkpoint(waits: true, default);
        return model;
    }

    string Manifest(long version) => Path.Combine(_directory, TableManifest.NameOf(version));

    /// <summary>The text says something else and has the right checksum, as a hostile one has.</summary>
    void Rewrite(string from, string to)
    {
        string text = File.ReadAllText(Manifest(3));
        int at = text.IndexOf(from, StringComparison.Ordinal);
        Assert.True(at >= 0, text);
        text = text[..at] + to + text[(at + from.Length)..];
        int end = text.LastIndexOf(",\n  \"manifest_checksum\"", StringComparison.Ordinal);
        using var members = System.Text.Json.JsonDocument.Parse(text[..end] + "\n}");
        File.WriteAllBytes(Manifest(3), ChecksummedJson.Write(json =>
        {
            foreach (var one in members.RootElement.EnumerateObject())
                one.WriteTo(json);
        }));
    }

    string[] Segments() => [.. Directory.GetFiles(_directory, "seg-*", SearchOption.AllDirectories).Order()];

    StoreException Refused(TableOptions? options = null) =>
        Assert.Throws<StoreException>(() => EmbeddingTable.Open(_directory, options ?? Options).Dispose());

    [Fact]
    public void Open_AnyByteOfTheManifestChanged_IsRefused()
    {
        Make();
        byte[] whole = File.ReadAllBytes(Manifest(3));
        for (int i = 0; i < whole.Length; i += 3)
        {
            byte[] bytes = [.. whole];
            bytes[i] ^= 0x21;
            File.WriteAllBytes(Manifest(3), bytes);
            var error = Refused(Options with { IsReadOnly = true });
            Assert.True(error.Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch, error.Message);
            Assert.Contains("checkpoint-000000000003.json", error.Message, StringComparison.Ordinal);
        }
        for (int length = 0; length < whole.Length; length += 50)
        {
            File.WriteAllBytes(Manifest(3), whole[..length]);
            Assert.True(Refused(Options with { IsReadOnly = true }).Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch);
        }
    }

    [Fact]
    public void Open_AnyByteOfASegmentChanged_IsRefusedOrSeenByTheLookup()
    {
        var model = Make();
        foreach (string path in Segments())
        {
            byte[] whole = File.ReadAllBytes(path);
            for (int i = 0; i < whole.Length; i += 61)
            {
                byte[] bytes = [.. whole];
                bytes[i] ^= 0x10;
                File.WriteAllBytes(path, bytes);
                try
                {
                    using var table = EmbeddingTable.Open(_directory, Options with { IsReadOnly = true });
                    table.Check(model);
                }
                catch (StoreException error)
                {
                    Assert.True(error.Kind is ErrorKind.ChecksumMismatch or ErrorKind.InvalidData, error.Message);
                    Assert.Contains(Path.GetFileName(path), error.Message, StringComparison.Ordinal);
                }
                // reading everything misses nothing but what no checksum covers: the unused bytes of a footer's frame
                if (i % 7 == 0)
                    Assert.Contains(TableInspection.Inspect(_directory, checks: true, default).Findings, finding => finding.Path == path);
            }
            File.WriteAllBytes(path, whole);
        }
        using (var table = EmbeddingTable.Open(_directory, Options with { IsReadOnly = true, ChecksAll = true }))
            table.Check(model);
        Assert.True(TableInspection.Inspect(_directory, checks: true, default).IsWhole);
    }

    [Fact]
    public void Open_SegmentMissingCutOrSwapped_NamesIt()
    {
        Make();
        string[] segments = Segments();
        byte[] first = File.ReadAllBytes(segments[0]), second = File.ReadAllBytes(segments[1]);
        File.WriteAllBytes(segments[0], first[..^1]);
        Assert.Contains($"expected {first.Length} bytes, as checkpoint 3 says", Refused().Message, StringComparison.Ordinal);
        File.WriteAllBytes(segments[0], second);
        Assert.Contains(Path.GetFileName(segments[0]), Refused().Message, StringComparison.Ordinal);
        File.Delete(segments[0]);
        var error = Refused();
        Assert.Equal(ErrorKind.NotFound, error.Kind);
        Assert.Contains("checkpoint 3 names it", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_NewestIsDamaged_FallsBackOnlyWhenAsked()
    {
        Make();
        byte[] whole = File.ReadAllBytes(Manifest(3));
        File.WriteAllBytes(Manifest(3), [.. whole.Select((one, i) => i == whole.Length - 12 ? (byte)(one ^ 1) : one)]);
        Assert.Equal(ErrorKind.ChecksumMismatch, Refused().Kind);
        using var table = EmbeddingTable.Open(_directory, Options with { FallsBack = true, IsReadOnly = true });
        Assert.Equal(2, table.Version);
        Assert.Contains("checkpoint 3 was passed over", Assert.Single(table.Damage), StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Lies => new()
    {
        { "\"session_count\": 2", "\"session_count\": 5", "session_count" },
        { "\"session_count\": 2", "\"session_count\": 4294967296", "session_count" },
        { "\"serial\": 12", "\"serial\": -1", "serial" },
        { "\"serial\": 12", "\"serial\": 18446744073709551615", "serial" },
        { "\"serial\": 12", "\"serial\": 3", "sessions" },
        { "\"id\": \"b\"", "\"id\": \"a\"", "twice" },
        { "\"parent\": 2", "\"parent\": 1", "parent" },
        { "\"version\": 3", "\"version\": 4", "expected" },
        { "\"step\": 3", "\"step\": 1", "step" },
        { "\"rule\": \"add\"", "\"rule\": \"magic\"", "rule" },
        { "\"rule\": \"add\"", "\"rule\": \"adam\"", "adam" },
        { "\"dtype\": \"float32\"", "\"dtype\": \"float16\"", "float16" },
        { "\"dimension\": 5", "\"dimension\": 7", "7" },
        { "\"dimension\": 5", "\"dimension\": 2000000000", "dimension" },
        { "\"rows_per_page\": ", "\"rows_per_page\": 3", "rows_per_page" },
        { "\"format_version\": 1", "\"format_version\": 3", "update s3dlio" },
        { "rows-", "../rows-", "name" },
        { "\"pages\": ", "\"pages\": 0, \"was\": ", "pages" },
        { "\"moment\": ", "\"moment\": 0, \"was\": ", "moment" },
        { "\"moment\": ", "\"moment\": 9999999999, \"was\": ", "moment" },
        { "\"rows\": ", "\"rows\": 1", "rows" },
        { "\"length\": ", "\"length\": 9", "bytes" },
        { "\"crc32c\": ", "\"crc32c\": 1", "" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void Open_ManifestThatLies_IsRefusedAndNamesTheField(string from, string to, string words)
    {
        Make();
        Rewrite(from, to);
        var error = Refused(Options with { IsReadOnly = true });
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ManifestClaimsABillionPages_AllocatesNothingForThem()
    {
        var model = Make();
        Rewrite("\"pages\": ", "\"pages\": 10000000");
        long before = GC.GetTotalAllocatedBytes();
        using var table = EmbeddingTable.Open(_directory, Options with { IsReadOnly = true });
        table.Check(model);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 64 << 20);
    }

    [Fact]
    public async Task Transfer_CheckpointInAStore_ComesBackAndOnlyNewFilesAreSent()
    {
        var store = new MemoryStore(StoreUri.Parse("memory://table"));
        var model = Make();
        var sent = await TableTransfer.UploadAsync(_directory, 2, store, "ck/", 0, null, default);
        Assert.Equal((2L, 2), (sent.Version, sent.Uploaded));
        sent = await TableTransfer.UploadAsync(_directory, 0, store, "ck/", 1, null, default);
        Assert.Equal((3L, 1), (sent.Version, sent.Uploaded));
        Assert.Equal(0, (await TableTransfer.UploadAsync(_directory, 0, store, "ck/", 1, null, default)).Uploaded);
        Assert.Equal([3L], (await TableTransfer.CheckpointsAsync(store, "ck/", default)).Select(one => one.Version));
        string copy = Path.Combine(_directory, "copy");
        Assert.Equal(3, (await TableTransfer.DownloadAsync(store, "ck/", 0, copy, null, default)).Version);
        using (var table = EmbeddingTable.Open(copy, Options))
        {
            table.Check(model);
            table.Apply([1], [1, 1, 1, 1, 1]);
            Assert.Equal(4, table.Checkpoint(waits: true, default).Version);
        }
        await TableTransfer.UploadAsync(copy, 0, store, "ck/", 0, null, default);
        // the first trainer goes on from the same checkpoint
        using (var table = EmbeddingTable.Open(_directory, Options))
        {
            table.Apply([2], [1, 1, 1, 1, 1]);
            table.Checkpoint(waits: true, default);
        }
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await TableTransfer.UploadAsync(_directory, 0, store, "ck/", 0, null, default));
        Assert.Equal(ErrorKind.AlreadyExists, error.Kind);
        Assert.Contains("another trainer", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<StoreException>(
            async () => await TableTransfer.DownloadAsync(store, "ck/", 0, copy, null, default));
        Assert.Equal(ErrorKind.AlreadyExists, error.Kind);
    }

    [Fact]
    public void Scan_RowsOfATable_EachOnce()
    {
        var model = Make();
        using var table = EmbeddingTable.Open(_directory, Options);
        using (var scan = table.Scan(default))
            Compare(scan, model);
        table.Apply([500], [2, 2, 2, 2, 2]);
        model.Apply("a", model.Sessions["a"] + 1, [500], [2, 2, 2, 2, 2]);
        using (var scan = table.Scan(default))
        {
            table.Apply([501], [2, 2, 2, 2, 2]);
            Compare(scan, model);
        }

        static void Compare(TableScan scan, TableModel model)
        {
            var (keys, rows) = (new long[7], new byte[7 * Tables.Dimension * 4]);
            var seen = new HashSet<long>();
            for (int count; (count = scan.Next(keys, rows)) > 0;)
            {
                for (int i = 0; i < count; i++)
                {
                    Assert.True(seen.Add(keys[i]));
                    Assert.Equal(model.Row(keys[i])![0], BitConverter.ToSingle(rows, i * Tables.Dimension * 4));
                }
            }
            Assert.Equal(model.Count, seen.Count);
        }
    }

    [Fact]
    public void Compact_MostRowsReplaced_FilesGo()
    {
        using var table = EmbeddingTable.Open(_directory, Options with { Keep = 1, Memory = 1 << 20 });
        long[] keys = [.. Enumerable.Range(0, 60_000).Select(one => (long)one)];
        float[] numbers = new float[keys.Length * Tables.Dimension];
        table.Apply(keys, numbers);
        table.Checkpoint(waits: true, default);
        table.Delete("d", -1, keys.AsSpan(0, 10_000), OnReplay.Raise, default, out _, out long deleted);
        Assert.Equal(10_000, deleted);
        table.Apply(keys[20_000..], numbers[(20_000 * Tables.Dimension)..]);
        table.Checkpoint(waits: true, default);
        long before = table.Statistics().DiskBytes;
        Assert.True(table.Compact(0.6, default) > 0);
        table.Checkpoint(waits: true, default);
        Assert.True(table.Statistics().DiskBytes < before, $"{before} before, {table.Statistics().DiskBytes} after");
        table.Dispose();
        using var again = EmbeddingTable.Open(_directory, Options with { ChecksAll = true });
        Assert.Equal(50_000, again.Count);
        var found = new byte[4];
        again.Contains([5, 9_999, 10_000, 59_999], found);
        Assert.Equal([0, 0, 1, 1], found);
    }

    [Fact]
    public void Evict_ByAgeCountAndNorm_TakesThoseRows()
    {
        using var table = EmbeddingTable.Open(_directory, Options);
        float[] Rows(int count, float number) => [.. Enumerable.Repeat(number, count * Tables.Dimension)];
        table.Apply([1, 2, 3], Rows(3, 1));
        table.Apply([2, 3], Rows(2, 1));
        table.Checkpoint(waits: true, default);
        table.Apply([3, 4], Rows(2, 0.01f));
        Assert.Equal(1, table.Evict(new EvictRule { OlderThanSteps = 2 }, null, default));
        Assert.Equal(1, table.Evict(new EvictRule { SmallerThan = 0.1f }, null, default));
        Assert.Equal(0, table.Evict(new EvictRule { FewerThan = 2 }, null, default));
        Assert.Equal(1, table.Evict(new EvictRule { FewerThan = 3 }, null, default));
        Assert.Equal(1, table.Count);
        Assert.Equal(2.01f, table.Lookup(3)[0]);
        table.Checkpoint(waits: true, default);
        table.Dispose();
        using var again = EmbeddingTable.Open(_directory, Options);
        Assert.Equal(1, again.Count);
    }
}
