using System.Globalization;
using System.Text;
using S3dlio.Cache;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>What the modes back and offline promise, each attacked by a test; the processes of a test are journals of their own.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class WriteBackTests : IDisposable
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();
    readonly RemoteStore _remote = new();
    readonly List<WriteBack> _processes = [];

    string Journals => _directory["cache/journal"];

    public void Dispose()
    {
        foreach (var process in _processes)
            process.Leave();
        _directory.Delete();
    }

    /// <summary>A store as a process of its own has it; held: it sends nothing yet.</summary>
    (HybridStore Store, WriteBack Back) Process(
        bool isHeld = false, CacheMode mode = CacheMode.Back, Disk? disk = null, long segment = 8 << 20)
    {
        Directory.CreateDirectory(_directory["cache"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var back = new WriteBack(disk ?? LocalDisk.Shared, Journals, _remote, segment) { FirstRetry = 1 };
        _processes.Add(back);
        back.Hold(isHeld);
        var store = new HybridStore(_remote, new CacheOptions
        {
            Directory = _directory["cache"],
            Mode = mode,
            MinFree = 0,
            Validate = CacheValidate.Always,
        });
        store.Begin(back);
        return (store, back);
    }

    static ValueTask<ObjectMeta> Put(ObjectStore store, string key, string text, PutOptions? options = null) =>
        store.PutAsync(key, new Payload(Encoding.UTF8.GetBytes(text)), options ?? PutOptions.Default, null, None);

    static async Task<byte[]> Bytes(ObjectStore store, string key)
    {
        await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return data;
    }

    static async Task<string> Get(ObjectStore store, string key) => Encoding.UTF8.GetString(await Bytes(store, key));

    static async Task<string> List(ObjectStore store, string prefix, ListOptions? options = null)
    {
        var found = new List<string>();
        await foreach (var page in store.ListAsync(prefix, options ?? ListOptions.Default, None))
            found.AddRange(page.Objects.Select(one => one.Key).Concat(page.Prefixes).Order(ObjectKey.Order));
        return string.Join(' ', found);
    }

    async Task<string?> Remote(string key) => await _remote.Get(key) is { } data ? Encoding.UTF8.GetString(data) : null;

    static async Task<ErrorKind> Kind(Func<Task> call) => (await Assert.ThrowsAsync<StoreException>(call)).Kind;

    static async Task Flushed(HybridStore store)
    {
        var left = await store.FlushAsync("", TimeSpan.FromSeconds(60), null, None);
        Assert.True(left.Count == 0, string.Join("; ", left.Writes));
    }

    [Fact]
    public async Task Put_NotSentYet_IsReadListedAndDeletedByEveryProcess()
    {
        await _remote.PutAsync("t/old", new Payload("old"u8.ToArray()), PutOptions.Default, null, None);
        await _remote.PutAsync("t/gone/x", new Payload("x"u8.ToArray()), PutOptions.Default, null, None);
        var (one, _) = Process(isHeld: true);
        var (other, _) = Process(isHeld: true);
        var (reader, _) = Process(mode: CacheMode.Read);
        var put = await Put(one, "t/a", "first", PutOptions.Default with
        {
            ContentType = "a/b",
            Metadata = new Dictionary<string, string> { ["x"] = "y" },
        });
        await Put(other, "t/old", "new");
        await Put(other, "t/new/z", "z");
        await other.DeleteAsync(["t/gone/x"], None);
        foreach (var store in (HybridStore[])[one, other, reader])
        {
            Assert.Equal(("first", "new"), (await Get(store, "t/a"), await Get(store, "t/old")));
            var head = await store.HeadAsync("t/a", None);
            Assert.Equal((put.ETag, 5L, "a/b", "y"), (head.ETag, head.Size, head.ContentType, head.Metadata["x"]));
            Assert.Equal("t/a t/new/z t/old", await List(store, "t/"));
            Assert.Equal("t/a t/new/ t/old", await List(store, "t/", ListOptions.Default with { Recursive = false }));
            Assert.Equal("t/new/z t/old", await List(store, "t/", ListOptions.Default with { StartAfter = "t/a", PageSize = 1 }));
            Assert.Equal(ErrorKind.NotFound, await Kind(() => Get(store, "t/gone/x")));
        }
        await one.DeleteAsync(["t/a"], None);
        await Put(one, "t/old", "newest");
        Assert.Equal("newest", await Get(other, "t/old"));
        Assert.Equal(ErrorKind.NotFound, await Kind(() => Get(other, "t/a")));
        Assert.Equal(("old", "x"), (await Remote("t/old"), await Remote("t/gone/x")));
    }

    [Fact]
    public async Task Put_Sent_TheStoreHasItAndTheJournalIsEmpty()
    {
        var (store, back) = Process();
        byte[] large = CacheScene.Random((3 << 20) + 17, 1);
        await Put(store, "small", "text");
        await store.PutAsync("large", new Payload(large), PutOptions.Default, null, None);
        await Flushed(store);
        Assert.Equal("text", await Remote("small"));
        Assert.Equal(large, await _remote.Get("large"));
        Assert.Equal((2L, 2L, 0L), (back.Counters.Accepted, back.Counters.Sent, back.Counters.Bypassed));
        await Until(() => !Directory.EnumerateFiles(Journals, "put-*", SearchOption.AllDirectories).Any());
    }

    static async Task Until(Func<bool> isSo)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!isSo())
            await Task.Delay(5, patience.Token);
    }

    [Fact]
    public async Task Put_OverAnotherThatWaits_OnlyTheNewestIsSent()
    {
        var (store, back) = Process(isHeld: true);
        for (int i = 0; i < 50; i++)
            await Put(store, "often", $"version {i}");
        back.Hold(false);
        await Flushed(store);
        Assert.Equal(("version 49", 1), (await Remote("often"), _remote.PutsOf("often")));
        Assert.Equal(49, back.Counters.Superseded);
    }

    /// <remarks>
    /// A write was given its stamp and made durable late: meanwhile another process wrote the object and was sending it. The first one's
    /// process takes its own for superseded, and tells so late, too.
    /// </remarks>
    [Fact]
    public async Task Put_MadeDurableAfterALaterOne_IsNotSeenBetweenTwoLooksAtTheLaterOne()
    {
        using SemaphoreSlim entered = new(0), flush = new(0), arrived = new(0), send = new(0);
        bool isSlow = false;
        var disk = new FaultyDisk(LocalDisk.Shared, (call, path, _) =>
        {
            if (call == "flush" && path.StartsWith(Journals, StringComparison.Ordinal) && Volatile.Read(ref isSlow))
            {
                entered.Release();
                flush.Wait();
            }
            return null;
        });
        int sent = 0;
        _remote.Before = async _ =>
        {
            if (Interlocked.Increment(ref sent) > 1)
                return;
            arrived.Release();
            await send.WaitAsync();
        };
        var (one, slow) = Process(isHeld: true, disk: disk);
        var (other, quick) = Process();
        var (reader, _) = Process(mode: CacheMode.Read);
        await Put(one, "other", "makes the journal");
        Volatile.Write(ref isSlow, true);
        var first = Task.Run(async () => await Put(one, "key", "first"));
        await entered.WaitAsync();
        var second = Task.Run(async () => await Put(other, "key", "second"));
        await arrived.WaitAsync();
        var seen = new List<string?> { await Seen() };
        flush.Release();
        await first;
        slow.Hold(false);
        await entered.WaitAsync();
        send.Release();
        await second;
        await Until(() => _remote.History.Any(static one => one.Key == "key" && one.Data is [(byte)'s', ..]));
        await quick.FlushAsync("", TimeSpan.FromSeconds(2), null, None);
        seen.Add(await Seen());
        Volatile.Write(ref isSlow, false);
        flush.Release(1000);
        await Flushed(one);
        await Flushed(other);
        seen.Add(await Seen());
        Assert.Equal(await Remote("key"), seen[2]);
        Assert.False(seen is ["second", "first", "second"], string.Join(", ", seen));

        async Task<string?> Seen() => await reader.HeadOrNullAsync("key", None) is null ? null : await Get(reader, "key");
    }

    [Fact]
    public async Task Put_RewrittenAllTheTime_ArrivesAllTheSame()
    {
        var (store, _) = Process();
        for (int i = 0; i < 200 || _remote.PutsOf("often") == 0; i++)
            await Put(store, "often", $"version {i:d4}");
        await Flushed(store);
        var seen = _remote.History.Select(one => Encoding.UTF8.GetString(one.Data!)).ToArray();
        Assert.Equal(seen.Order(StringComparer.Ordinal), seen);
    }

    [Fact]
    public async Task Barrier_WhateverFails_IsSeenAfterWhatWasWrittenBefore()
    {
        var (store, back) = Process(isHeld: true);
        var failed = new HashSet<string>();
        // an error here would be one of the store's, and the write be tried again
        var missing = new List<string>();
        _remote.Before = async key =>
        {
            if (key == "run/manifest")
            {
                for (int i = 0; i < 12; i++)
                {
                    if (await Remote($"run/shard {i}") is null)
                        missing.Add($"run/shard {i}");
                }
            }
            lock (failed)
            {
                if (failed.Add(key))
                    throw new StoreException(ErrorKind.Unavailable, key, "not now");
            }
        };
        for (int i = 0; i < 12; i++)
            await Put(store, $"run/shard {i}", "shard");
        await Put(store, "run/manifest", "manifest", PutOptions.Default with { Barrier = true });
        // a later version of a shard does not stand for the one before the barrier
        await Put(store, "run/shard 3", "later");
        back.Hold(false);
        await Flushed(store);
        Assert.Empty(missing);
        string[] order = [.. _remote.History.Select(one => one.Key)];
        Assert.True(Array.IndexOf(order, "run/manifest") >= 12, string.Join(' ', order));
        Assert.Equal(("later", "manifest"), (await Remote("run/shard 3"), await Remote("run/manifest")));
    }

    [Fact]
    public async Task Barrier_WithACondition_GoesAfterWhatWaits()
    {
        var (store, back) = Process(isHeld: true);
        await Put(store, "run/shard", "shard");
        var options = PutOptions.Default with { Overwrite = false, Barrier = true };
        var manifest = Task.Run(async () => await Put(store, "run/manifest", "m", options));
        await Assert.ThrowsAsync<TimeoutException>(() => manifest.WaitAsync(TimeSpan.FromMilliseconds(200)));
        Assert.Null(await Remote("run/manifest"));
        back.Hold(false);
        await manifest;
        Assert.Equal(["run/shard", "run/manifest"], _remote.History.Select(one => one.Key));
    }

    [Fact]
    public async Task Adoption_OfAProcessThatDied_SendsWhatItAcknowledged()
    {
        var (dead, journals) = Process(isHeld: true);
        for (int i = 0; i < 30; i++)
            await Put(dead, $"left/{i}", $"text {i}");
        await dead.PutAsync("left/large", new Payload(CacheScene.Random(1 << 20, 2)), PutOptions.Default, null, None);
        journals.Leave();
        var (alive, back) = Process();
        await Flushed(alive);
        for (int i = 0; i < 30; i++)
            Assert.Equal($"text {i}", await Remote($"left/{i}"));
        Assert.Equal(CacheScene.Random(1 << 20, 2), await _remote.Get("left/large"));
        Assert.Equal(1, back.Counters.Adopted);
        Assert.All(Enumerable.Range(0, 30), i => Assert.Equal(1, _remote.PutsOf($"left/{i}")));
    }

    [Fact]
    public async Task Adoption_OfAProcessThatLives_IsNone()
    {
        var (_, held) = Process(isHeld: true);
        var store = new HybridStore(_remote, new CacheOptions { Directory = _directory["cache"], Mode = CacheMode.Back, MinFree = 0 });
        store.Begin(held);
        await Put(store, "mine", "text");
        var (other, back) = Process();
        var left = await other.FlushAsync("", TimeSpan.FromMilliseconds(300), null, None);
        Assert.Equal((1, 0L), (left.Count, back.Counters.Adopted));
        Assert.Equal("text", await Get(other, "mine"));
        // and what the other writes of the same object waits for its turn
        await Put(other, "mine", "newer");
        left = await other.FlushAsync("", TimeSpan.FromMilliseconds(300), null, None);
        Assert.Null(await Remote("mine"));
        held.Hold(false);
        await Flushed(other);
        Assert.Equal("newer", await Remote("mine"));
    }

    [Fact]
    public async Task Send_AnswerLostThenDied_IsNotSentAgain()
    {
        var (store, journals) = Process(isHeld: true);
        await Put(store, "twice", "text");
        _remote.After = _ => throw new StoreException(ErrorKind.Unavailable, "twice", "the answer was lost");
        journals.FirstRetry = 1_000_000;
        journals.Hold(false);
        await Until(() => _remote.PutsOf("twice") == 1 && journals.Counters.SendFailures == 1);
        journals.Leave();
        _remote.After = null;
        var (again, back) = Process();
        await Flushed(again);
        Assert.Equal((1, 1L), (_remote.PutsOf("twice"), back.Counters.FoundSent));
    }

    [Fact]
    public async Task Send_RefusedForGood_IsParkedReportedReadableAndTriedAgainWhenAsked()
    {
        _remote.Before = key => key == "secret" ? throw new StoreException(ErrorKind.PermissionDenied, key, "not yours")
            : Task.CompletedTask;
        var (store, _) = Process();
        await Put(store, "secret", "text");
        await Put(store, "open", "text");
        var left = await store.FlushAsync("", null, null, None);
        Assert.Equal((1, 1, ErrorKind.PermissionDenied), (left.Count, left.Parked, left.Writes[0].Error?.Kind));
        Assert.Equal(("text", "text", null), (await Get(store, "secret"), await Remote("open"), await Remote("secret")));
        var create = PutOptions.Default with { Overwrite = false };
        Assert.Equal(ErrorKind.PermissionDenied, await Kind(async () => await Put(store, "secret", "x", create)));
        Assert.Contains(JournalSurvey.Find(_directory["cache"], None), share => share.Writes.Any(one => one.IsParked));
        _remote.Before = null;
        Assert.Equal(1, await store.UnparkAsync("", isGivenUp: false));
        await Flushed(store);
        Assert.Equal("text", await Remote("secret"));
    }

    [Fact]
    public async Task Send_ParkedThenDied_StaysParkedAndCanBeGivenUp()
    {
        _remote.Before = key => throw new StoreException(ErrorKind.PermissionDenied, key, "not yours");
        var (store, journals) = Process();
        await Put(store, "secret", "text");
        Assert.Equal(1, (await store.FlushAsync("", null, null, None)).Parked);
        journals.Leave();
        var (again, _) = Process();
        Assert.Equal((1, 1), (again.Waiting("").Count, again.Waiting("").Parked));
        Assert.Equal(1, await again.UnparkAsync("", isGivenUp: true));
        Assert.Equal(0, again.Waiting("").Count);
        Assert.Equal(ErrorKind.NotFound, await Kind(() => Get(again, "secret")));
    }

    [Fact]
    public async Task Send_StoreAwayForLong_ArrivesInTheEnd()
    {
        int away = 40;
        _remote.Before = key => Interlocked.Decrement(ref away) > 0 ? throw new StoreException(ErrorKind.Unavailable, key, "away")
            : Task.CompletedTask;
        var (store, back) = Process();
        back.FirstRetry = 0;
        for (int i = 0; i < 5; i++)
            await Put(store, $"late/{i}", "text");
        await Flushed(store);
        Assert.True(back.Counters.SendFailures >= 39);
        Assert.Equal("text", await Remote("late/4"));
    }

    [Fact]
    public async Task Put_WithACondition_IsTheStoresToDecideAfterWhatWaits()
    {
        var (store, back) = Process(isHeld: true);
        var first = await Put(store, "key", "first");
        var conditional = Task.Run(async () => await Put(store, "key", "second", PutOptions.Default with { IfMatch = first.ETag }));
        var creation = Task.Run(async () => await Put(store, "key", "third", PutOptions.Default with { Overwrite = false }));
        back.Hold(false);
        Assert.Equal(ErrorKind.AlreadyExists, await Kind(() => creation));
        Assert.StartsWith(PendingWrite.TagPrefix, first.ETag, StringComparison.Ordinal);
        Assert.DoesNotContain(PendingWrite.TagPrefix, (await conditional).ETag, StringComparison.Ordinal);
        Assert.Equal("second", await Remote("key"));
    }

    [Theory]
    [InlineData(Errno.ENOSPC)]
    [InlineData(Errno.EIO)]
    public async Task Journal_CannotBeWritten_PutsGoToTheStoreAndNothingIsLost(int errno)
    {
        bool isFull = false;
        var disk = new FaultyDisk(LocalDisk.Shared, (call, path, _) => isFull
            && call is "write" or "flush" or "create" or "allocate" or "open" && isFull
            && !path.EndsWith("LOCK", StringComparison.Ordinal) ? new DiskFault(errno) : null);
        var (store, back) = Process(isHeld: true, disk: disk);
        await Put(store, "before", "acknowledged");
        await Put(store, "both", "old");
        isFull = true;
        var other = Task.Run(async () =>
        {
            // larger than what segments have reserved
            for (int i = 0; i < 4; i++)
                await store.PutAsync($"full/{i}", new Payload(CacheScene.Random(200_000, i)), PutOptions.Default, null, None);
        });
        back.Hold(false);
        await other;
        for (int i = 0; i < 4; i++)
            Assert.Equal(CacheScene.Random(200_000, i), await _remote.Get($"full/{i}"));
        Assert.True(back.Counters.Bypassed >= 4);
        isFull = false;
        await Flushed(store);
        Assert.Equal("acknowledged", await Remote("before"));
        await Put(store, "both", "new");
        await Flushed(store);
        Assert.Equal("new", await Remote("both"));
    }

    [Fact]
    public async Task Journal_FullOfWhatWaits_FurtherPutsGoToTheStore()
    {
        var (store, back) = Process(isHeld: true);
        back.MostWaiting = 1000;
        await store.PutAsync("a", new Payload(new byte[900]), PutOptions.Default, null, None);
        await store.PutAsync("b", new Payload(new byte[900]), PutOptions.Default, null, None);
        Assert.Equal((null, 900), (await _remote.Get("a"), (await _remote.Get("b"))!.Length));
    }

    [Fact]
    public async Task Payload_DamagedInTheJournal_IsToldAndNeverSent()
    {
        var (store, back) = Process(isHeld: true);
        await store.PutAsync("large", new Payload(CacheScene.Random(1 << 20, 5)), PutOptions.Default, null, None);
        string file = Directory.EnumerateFiles(Journals, "put-*", SearchOption.AllDirectories).Single();
        byte[] data = await File.ReadAllBytesAsync(file);
        data[700_000] ^= 1;
        await File.WriteAllBytesAsync(file, data);
        Assert.Equal(ErrorKind.ChecksumMismatch, await Kind(() => Bytes(store, "large")));
        back.Hold(false);
        var left = await store.FlushAsync("", null, null, None);
        Assert.Equal((1, ErrorKind.ChecksumMismatch), (left.Parked, left.Writes[0].Error?.Kind));
        Assert.Null(await _remote.Get("large"));
    }

    [Fact]
    public async Task Offline_WhatIsHereIsServedAndWhatIsWrittenWaits()
    {
        await _remote.PutAsync("kept", new Payload("kept"u8.ToArray()), PutOptions.Default, null, None);
        await _remote.PutAsync("far", new Payload("far"u8.ToArray()), PutOptions.Default, null, None);
        var (online, _) = Process(mode: CacheMode.Read);
        Assert.Equal("kept", await Get(online, "kept"));
        _remote.Before = _ => throw new InvalidOperationException("the store was asked");
        var (store, journals) = Process(mode: CacheMode.Offline);
        await Put(store, "made", "made");
        await store.CopyAsync("made", "copied", PutOptions.Default, None);
        await store.RenameAsync("copied", "moved", PutOptions.Default, None);
        Assert.Equal(("kept", "made", "made"), (await Get(store, "kept"), await Get(store, "made"), await Get(store, "moved")));
        Assert.Equal("kept made moved", await List(store, ""));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(store, "far"));
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains("offline", error.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorKind.NotFound, await Kind(() => Get(store, "copied")));
        var create = PutOptions.Default with { Overwrite = false };
        Assert.Equal(ErrorKind.Unavailable, await Kind(async () => await Put(store, "x", "x", create)));
        Assert.Equal(4, (await store.FlushAsync("", null, null, None)).Count);
        journals.Leave();
        _remote.Before = null;
        var (again, _) = Process();
        await Flushed(again);
        Assert.Equal(("made", "made", null), (await Remote("made"), await Remote("moved"), await Remote("copied")));
    }

    [Fact]
    public void Superseded_ByAWriteOfTheSameMicrosecond_HasNoBarrierBetween()
    {
        SortedSet<long> barriers = [0x100, 0x180, 0x201];
        Assert.False(WriteBack.AnyBetween(barriers, 0x101, 0x102));
        Assert.False(WriteBack.AnyBetween(barriers, 0x100, 0x180));
        Assert.True(WriteBack.AnyBetween(barriers, 0x101, 0x181));
        Assert.False(WriteBack.AnyBetween([], 0x101, 0x181));
    }

    [Fact]
    public async Task Offline_WhatAnotherProcessSent_IsReadFromTheCache()
    {
        byte[] large = [.. Enumerable.Range(0, 3 << 20).Select(static i => (byte)(i % 251))];
        var (writer, journals) = Process();
        var (offline, _) = Process(mode: CacheMode.Offline);
        await Put(writer, "x/small", "first");
        await Flushed(writer);
        await Put(writer, "x/small", "second");
        await writer.PutAsync("x/large", new Payload(large), PutOptions.Default, null, None);
        await Put(writer, "x/gone", "gone");
        await Flushed(writer);
        await writer.DeleteAsync(["x/gone"], None);
        await Flushed(writer);
        Assert.Equal(5, journals.Counters.Sent);
        _remote.Before = _ => throw new InvalidOperationException("the store was asked");
        Assert.Equal("second", await Get(offline, "x/small"));
        Assert.Equal(large, await Bytes(offline, "x/large"));
        Assert.Equal("x/large x/small", await List(offline, ""));
        Assert.Equal(large.Length, (await offline.HeadAsync("x/large", None)).Size);
        Assert.Equal(ErrorKind.Unavailable, await Kind(() => Get(offline, "x/gone")));
        // others ask the store as before
        _remote.Before = null;
        await _remote.PutAsync("x/small", new Payload("third"u8.ToArray()), PutOptions.Default, null, None);
        Assert.Equal("third", await Get(writer, "x/small"));
    }

    [Fact]
    public async Task Log_WithOneWriteThatWaitsForLong_DoesNotGrowForEver()
    {
        _remote.Before = key => key == "stuck" ? throw new StoreException(ErrorKind.PermissionDenied, key, "no") : Task.CompletedTask;
        var (store, _) = Process(segment: 64 << 10);
        await Put(store, "stuck", "text");
        byte[] data = new byte[16 << 10];
        for (int i = 0; i < 400; i++)
        {
            await store.PutAsync($"many/{i % 16}", new Payload(data), PutOptions.Default, null, None);
            if (i % 8 == 7)
                await store.FlushAsync("many/", null, null, None);
        }
        long bytes = new DirectoryInfo(Journals).EnumerateFiles("seg-*", SearchOption.AllDirectories).Sum(file => file.Length);
        Assert.True(bytes < 5 << 20, string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes of {400 * data.Length} lie there"));
        Assert.Equal("text", await Get(store, "stuck"));
        Assert.Equal(1, store.Waiting("").Parked);
    }

    [Fact]
    public async Task Flush_WithATimeout_SaysWhatIsLeft()
    {
        var (store, _) = Process(isHeld: true);
        await Put(store, "a/x", "text");
        await Put(store, "b/x", "text");
        var left = await store.FlushAsync("a/", TimeSpan.FromMilliseconds(50), null, None);
        Assert.Equal((1, 4L, 0), (left.Count, left.Bytes, left.Parked));
        Assert.EndsWith("a/x", left.Writes[0].Uri, StringComparison.Ordinal);
    }
}
