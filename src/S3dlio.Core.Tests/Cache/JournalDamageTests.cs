using System.Buffers.Binary;
using System.Text;
using S3dlio.Cache;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Log;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>
/// Whatever bytes lie in a journal, the store gets what was written, or nothing. S3DLIO_CACHE_FLIPS=1 is the long form: every byte and
/// every length, instead of each byte that was written and some of the others.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class JournalDamageTests
{
    const string Root = "/d/journal";

    static readonly int Stride = Environment.GetEnvironmentVariable("S3DLIO_CACHE_FLIPS") is null ? 13 : 1;
    static readonly CancellationToken None = CancellationToken.None;

    /// <summary>What may arrive at the store, by key.</summary>
    static readonly Dictionary<string, string[]> Written = new()
    {
        ["one"] = ["first", "second"],
        ["two"] = ["text of two"],
        ["gone"] = ["was there"],
    };

    static readonly byte[] Large = CacheScene.Random(WriteJournal.MostInline + 100, 7);

    readonly RemoteStore _remote = new();

    /// <summary>The files of a journal of a process that died before it had sent anything.</summary>
    async Task<SortedDictionary<string, byte[]>> Journal()
    {
        var disk = JournalModel.NewDisk();
        var back = new WriteBack(disk, Root, _remote, LogOptions.LeastSegment);
        foreach (var (key, texts) in Written)
        {
            foreach (string text in texts)
                Assert.NotNull(await back.PutAsync(key, Text(text), PutOptions.Default with { ContentType = "a/b" }, true, null, None));
        }
        Assert.True(await back.DeleteAsync(["gone"], true, None));
        Assert.NotNull(await back.PutAsync("large", new Payload(Large), PutOptions.Default, true, null, None));
        var dead = disk.Kill();
        string directory = $"{Root}/{dead.List(Root).Single()}";
        return new(dead.List(directory).ToDictionary(name => $"{directory}/{name}", name => Bytes(dead, $"{directory}/{name}")));
    }

    static SimulatedDisk Disk(IReadOnlyDictionary<string, byte[]> files, string? changed = null, byte[]? to = null)
    {
        var disk = JournalModel.NewDisk();
        disk.CreateDirectory(Root);
        foreach (var (path, bytes) in files)
        {
            disk.CreateDirectory(Path.GetDirectoryName(path)!);
            using var file = disk.Open(path, DiskOpen.Create);
            file.Write(path == changed ? to! : bytes, 0);
            file.Flush();
        }
        return disk;
    }

    static Payload Text(string text) => new(Encoding.UTF8.GetBytes(text));

    /// <summary>A process finds what lies there, sends it, and goes on to write.</summary>
    async Task<RemoteStore> Drain(Disk disk, string what)
    {
        var remote = _remote;
        await remote.DeleteAsync(["large", "later", .. Written.Keys], None);
        remote.History.Clear();
        try
        {
            var back = new WriteBack(disk, Root, remote, LogOptions.LeastSegment) { FirstRetry = 0 };
            back.AdoptNow();
            // a process that only reads has to stand it, too
            foreach (var found in back.FindAll(""))
                await Readable(found);
            for (int i = 0; i < 30 && back.Waiting("").Exists(static one => one.Parked is null); i++)
            {
                back.Tend();
                await Task.WhenAll(back.Sending());
            }
            if (await back.PutAsync("later", Text("written later"), PutOptions.Default, true, null, None) is not null)
            {
                back.Tend();
                await Task.WhenAll(back.Sending());
                Assert.Equal("written later", Encoding.UTF8.GetString(await remote.Get("later") ?? []));
            }
            back.Leave();
        }
        catch (Exception error) when (error is not Xunit.Sdk.XunitException)
        {
            // what cannot be read is told with its place
            Assert.True(error is StoreException, $"{what}: {error}");
            Assert.Contains(Root, error.Message, StringComparison.Ordinal);
        }
        foreach (var (key, data) in remote.History)
        {
            if (key == "later" || data is null && key == "gone")
                continue;
            bool isWritten = key == "large" ? data.AsSpan().SequenceEqual(Large)
                : data is not null && Written.TryGetValue(key, out var texts) && texts.Contains(Encoding.UTF8.GetString(data));
            Assert.True(isWritten, $"{what}: the store got '{key}' with {data?.Length} bytes that nobody wrote");
        }
        return remote;
    }

    static async Task Readable(PendingWrite write)
    {
        try
        {
            await using var reader = JournalReader.TryOpen(write, write.Record.Key, write.Record.Key);
            if (reader is not null)
                await reader.ReadAsync(0, new byte[reader.Meta.Size], None);
        }
        catch (StoreException error)
        {
            Assert.Contains(error.Kind, (ErrorKind[])[ErrorKind.ChecksumMismatch, ErrorKind.InvalidData, ErrorKind.NotFound]);
        }
    }

    static byte[] Bytes(Disk disk, string path)
    {
        using var file = disk.Open(path, DiskOpen.Read);
        var bytes = new byte[file.Length];
        _ = file.Read(bytes, 0);
        return bytes;
    }

    [Fact]
    public async Task Undamaged_AllArrives()
    {
        var remote = await Drain(Disk(await Journal()), "undamaged");
        var puts = remote.History.Where(static one => one.Data is not null).Select(static one => one.Key);
        Assert.Equal(["large", "later", "one", "two"], puts.Order());
        Assert.Equal(1, remote.PutsOf("one"));
    }

    [Fact]
    public async Task Byte_FlippedAnywhere_NothingWrongArrives()
    {
        var journal = await Journal();
        foreach (var (path, whole) in journal)
        {
            bool isPayload = path.EndsWith(".dat", StringComparison.Ordinal);
            for (int at = 0; at < whole.Length; at += isPayload ? 1009 * Stride : whole[at] == 0 ? Stride * 5 : (Stride + 3) / 4)
            {
                byte[] damaged = [.. whole];
                damaged[at] ^= (byte)(1 << (at % 8));
                await Drain(Disk(journal, path, damaged), $"byte {at} of {path}");
            }
        }
    }

    [Fact]
    public async Task File_CutAtAnyLength_NothingWrongArrives()
    {
        var journal = await Journal();
        foreach (var (path, whole) in journal)
        {
            bool isPayload = path.EndsWith(".dat", StringComparison.Ordinal);
            for (int length = 0; length < whole.Length; length += isPayload ? 2003 * Stride : whole[length] == 0 ? Stride * 7 : Stride)
            {
                await Drain(Disk(journal, path, whole[..length]), $"{path} cut at {length}");
            }
        }
    }

    [Fact]
    public async Task Files_TakenAway_NothingWrongArrives()
    {
        var journal = await Journal();
        for (int mask = 1; mask < 1 << journal.Count; mask++)
        {
            var left = journal.Where((_, i) => (mask & (1 << i)) == 0).ToDictionary();
            var disk = Disk(left);
            disk.CreateDirectory(Path.GetDirectoryName(journal.Keys.First())!);
            await Drain(disk, $"with {string.Join(' ', left.Keys)}");
        }
    }

    /// <summary>Records whose checksums are right and whose contents are lies.</summary>
    public static TheoryData<string, Func<long, byte[]>> Lies()
    {
        static byte[] Record(JournalKind kind, long stamp, string key, string payload, Action<byte[]>? change = null)
        {
            byte[] data = Encoding.UTF8.GetBytes(payload);
            byte[] bytes = new JournalRecord(kind, stamp) { Key = key, Size = data.Length, Checksum = Checksum.Of(data) }.Write(data);
            change?.Invoke(bytes);
            return bytes;
        }
        static void Long(byte[] bytes, int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), value);
        static void Int(byte[] bytes, int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), value);
        return new()
        {
            { "nothing", _ => [] },
            { "random bytes", _ => CacheScene.Random(200, 3) },
            { "zeros", _ => new byte[48] },
            { "of a newer version", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => bytes[2] = 2) },
            { "unknown kind", stamp => Record((JournalKind)9, stamp + 256, "lie", "x") },
            { "kind 0", stamp => Record(0, stamp + 256, "lie", "x") },
            { "the key of another stamp", stamp => Record(JournalKind.Put, stamp, "lie", "x") },
            { "another payload of a stamp", stamp => Record(JournalKind.Put, stamp, "two", "not what was written") },
            { "of another journal", stamp => Record(JournalKind.Put, stamp + 257, "lie", "x") },
            { "done of another journal", stamp => Record(JournalKind.Done, stamp + 1, "", "") },
            { "negative stamp", _ => Record(JournalKind.Put, long.MinValue, "lie", "x") },
            { "largest stamp", _ => Record(JournalKind.Put, long.MaxValue, "lie", "x") },
            { "size of everything", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => Long(bytes, 24, long.MaxValue)) },
            { "negative size", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => Long(bytes, 24, -1)) },
            { "size and file", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes =>
                {
                    Long(bytes, 24, long.MaxValue);
                    Long(bytes, 40, 1);
                }) },
            { "file that is not there", stamp => new JournalRecord(JournalKind.Put, stamp + 256)
                {
                    Key = "lie", Size = 5, File = 99, Pieces = [1],
                }.Write([]) },
            { "key length", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => Int(bytes, 36, int.MaxValue)) },
            { "negative key length", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => Int(bytes, 36, -5)) },
            { "text length", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => Int(bytes, 4, int.MinValue)) },
            { "text that is no JSON", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes =>
                {
                    Int(bytes, 4, 3);
                    Int(bytes, 36, 0);
                }) },
            { "time", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => Long(bytes, 16, long.MaxValue)) },
            { "wrong checksum", stamp => Record(JournalKind.Put, stamp + 256, "lie", "x", bytes => bytes[32] ^= 1) },
            { "no key", stamp => Record(JournalKind.Put, stamp + 256, "", "x") },
            { "done of nothing", stamp => Record(JournalKind.Done, stamp + 256, "", "") },
            { "parked without a reason", stamp => Record(JournalKind.Parked, stamp, "", "") },
        };
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task Record_ALieWithTheRightChecksum_NothingWrongArrives(string what, Func<long, byte[]> lie)
    {
        ArgumentNullException.ThrowIfNull(lie);
        var disk = Disk(await Journal());
        string directory = $"{Root}/{disk.List(Root).Single()}", schema;
        long stamp;
        using (var reader = LogReader.Open(disk, directory, OnDamage.Skip))
            (stamp, schema) = (JournalRecord.Read(reader.Read(2), directory).Stamp, reader.Schema);
        using (var log = LogWriter.Open(disk, directory, new LogOptions { Schema = schema, SegmentSize = LogOptions.LeastSegment }))
        {
            log.Append(lie(stamp).AsSpan());
            log.Commit();
        }
        await Drain(disk, what);
    }

    [Fact]
    public async Task Journal_OfASymbolicLink_IsNotWrittenThrough()
    {
        var directory = new TemporaryDirectory();
        Directory.CreateDirectory(directory["journal"]);
        string elsewhere = directory["elsewhere"];
        Directory.CreateDirectory(elsewhere);
        var remote = new RemoteStore();
        string name = JournalPlace.NameOf(WriteBack.PlaceOf(remote), 0);
        foreach (string file in (string[])["LOCK", "META", "TAIL", "seg-0000000000000000.s3l"])
        {
            Directory.CreateDirectory($"{directory["journal"]}/{name}");
            string victim = $"{elsewhere}/{file}";
            await File.WriteAllTextAsync(victim, "precious");
            File.CreateSymbolicLink($"{directory["journal"]}/{name}/{file}", victim);
            var back = new WriteBack(LocalDisk.Shared, directory["journal"], remote, LogOptions.LeastSegment) { FirstRetry = 0 };
            _ = await back.PutAsync("a", Text("text"), PutOptions.Default, true, null, None);
            back.Leave();
            Assert.Equal("precious", await File.ReadAllTextAsync(victim));
            Directory.Delete($"{directory["journal"]}/{name}", recursive: true);
        }
        directory.Delete();
    }
}
