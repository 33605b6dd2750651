using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>
/// What every store has to do, by its core operations alone. Each test writes below a prefix of its own, makes no more requests than it
/// needs, and never assumes directories, so that cloud stores can run it too.
/// </summary>
public abstract partial class StoreConformance : IAsyncLifetime
{
    protected static readonly CancellationToken None = CancellationToken.None;

    protected abstract ObjectStore Store { get; }

    /// <summary>
    /// True where other programs mark directories with objects whose keys end with a slash: those can be deleted, and nothing else.
    /// </summary>
    protected virtual bool DeletesMarkers => false;

    /// <summary>Entries of the large listing.</summary>
    protected virtual int ManyEntries => 5000;

    /// <summary>False for an odd key that the store cannot keep as it is; then it has to say so.</summary>
    protected virtual bool Holds(string key) => true;

    public virtual Task InitializeAsync() => Task.CompletedTask;

    public virtual Task DisposeAsync() => Task.CompletedTask;

    protected ValueTask<ObjectMeta> Put(string key, ReadOnlyMemory<byte> data, PutOptions? options = null) =>
        Store.PutAsync(key, new Payload(data), options ?? PutOptions.Default, null, None);

    protected ValueTask<ObjectMeta> Put(string key, string text, PutOptions? options = null) =>
        Put(key, Encoding.UTF8.GetBytes(text), options);

    protected async Task<byte[]> Get(string key)
    {
        await using var reader = await Store.OpenReadAsync(key, ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return data;
    }

    protected async Task<string> GetText(string key) => Encoding.UTF8.GetString(await Get(key));

    protected async Task<List<string>> List(string prefix, ListOptions? options = null)
    {
        var keys = new List<string>();
        await foreach (var page in Store.ListAsync(prefix, options ?? ListOptions.Default, None))
            keys.AddRange(page.Objects.Select(found => found.Key).Concat(page.Prefixes));
        keys.Sort(ObjectKey.Compare);
        return keys;
    }

    /// <summary>What an object of that key may be called in a message.</summary>
    protected virtual IEnumerable<string> Names(string key) => [Store.Root.Child(key)];

    /// <summary>The call fails with this kind, and the message names the object.</summary>
    protected async Task<StoreException> Fails(ErrorKind kind, string key, Func<Task> call)
    {
        var error = await Assert.ThrowsAsync<StoreException>(call);
        Assert.True(kind == error.Kind, $"expected {kind}, found {error.Kind}: {error.Message}");
        Assert.True(Names(key).Any(name => error.Message.Contains(name, StringComparison.Ordinal)),
            $"'{key}' is not named: {error.Message}");
        Assert.False(string.IsNullOrWhiteSpace(error.Detail));
        return error;
    }

    /// <summary>What the store tells of an object's blocks, which must be those of its bytes.</summary>
    protected async Task<BlockChecksums?> BlocksOf(string key, byte[] data)
    {
        await using var reader = await Store.OpenReadAsync(key, ReadOptions.Default, None);
        var blocks = await reader.FindBlocksAsync(None);
        for (int i = 0; i < (blocks?.Count ?? 0); i++)
            Assert.Equal(Checksum.Of(data.AsSpan((int)blocks!.Begin(i), (int)(blocks.End(i) - blocks.Begin(i)))), blocks[i]);
        Assert.Equal(data.Length, blocks?.Size ?? data.Length);
        return blocks;
    }

    protected static byte[] RandomBytes(int length, int seed)
    {
        var data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    [InlineData((17 << 20) + 3)]
    public async Task Put_AnyLength_ReadsBackWithItsChecksum(int length)
    {
        var data = RandomBytes(length, length);
        string key = $"lengths/{length}";

        var put = await Put(key, data);

        Assert.Equal(Checksum.Of(data), put.Checksum);
        Assert.Equal(length, put.Size);
        Assert.Equal(key, put.Key);
        Assert.Equal(data, await Get(key));
    }

    [Fact]
    public async Task Read_RandomRanges_GiveThoseBytes()
    {
        var data = RandomBytes((1 << 20) + 17, 1);
        await Put("ranges", data);
        await using var reader = await Store.OpenReadAsync("ranges", ReadOptions.Default, None);
        var random = new Random(2);
        for (int i = 0; i < 40; i++)
        {
            int offset = i == 0 ? data.Length : random.Next(data.Length);
            int length = i == 1 ? 1 : random.Next(data.Length - offset + 1);
            var part = new byte[length];
            await reader.ReadAsync(offset, part, None);
            Assert.True(data.AsSpan(offset, length).SequenceEqual(part), $"bytes {offset}..{offset + length} differ");
        }
    }

    [Fact]
    public async Task Read_InParallel_FillsEveryPart()
    {
        var data = RandomBytes((5 << 20) + 11, 3);
        await Put("parallel", data);
        await using var reader = await Store.OpenReadAsync("parallel", ReadOptions.Default, None);
        var copy = new byte[data.Length];
        const int part = 700_001;
        var parts = Enumerable.Range(0, (data.Length + part - 1) / part);
        await Parallel.ForEachAsync(parts, async (i, cancel) =>
            await reader.ReadAsync((long)i * part, copy.AsMemory(i * part, Math.Min(part, data.Length - (i * part))), cancel));
        Assert.Equal(data, copy);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 101)]
    [InlineData(100, 1)]
    [InlineData(long.MaxValue, 1)]
    public async Task Read_OutsideTheObject_InvalidArgument(long offset, int length)
    {
        await Put("outside", RandomBytes(100, 4));
        await using var reader = await Store.OpenReadAsync("outside", ReadOptions.Default, None);
        await Fails(ErrorKind.InvalidArgument, "outside", async () => await reader.ReadAsync(offset, new byte[length], None));
    }

    [Theory]
    [InlineData(40, 0, 0)]
    [InlineData(128, 1000, 0)]
    [InlineData(5000, 3, 70_000)]
    [InlineData(128, (9 << 20) + 5, 1 << 20)]
    [InlineData(8192, 1 << 22, 17)]
    public async Task Put_WithHead_HeadStandsFirstAndKnowsTheChecksums(int headLength, int first, int second)
    {
        byte[][] bodies = [RandomBytes(first, 5), [], RandomBytes(second, 6)];
        var payload = new Payload(
            headLength, checksums => HeadOf(checksums.ToArray(), headLength),
            [.. bodies.Select(body => LargeMemory.From((ReadOnlyMemory<byte>)body))]);
        var progress = new Sum();

        var put = await Store.PutAsync("head", payload, PutOptions.Default, progress, None);

        byte[] expected = [.. HeadOf([.. bodies.Select(body => Checksum.Of(body))], headLength), .. bodies[0], .. bodies[2]];
        Assert.Equal(expected, await Get("head"));
        Assert.Equal(Checksum.Of(expected), put.Checksum);
        Assert.Equal(expected.Length, progress.Total);

        static byte[] HeadOf(Checksum[] checksums, int length) =>
            Encoding.ASCII.GetBytes(string.Join(' ', checksums).PadRight(length)[..length]);
    }

    [Fact]
    public async Task Put_HeadCannotBeBuilt_LeavesNothing()
    {
        var payload = new Payload(
            10, _ => throw new InvalidOperationException("no head"), [LargeMemory.From((ReadOnlyMemory<byte>)RandomBytes(3 << 20, 7))]);
        await Assert.ThrowsAsync<InvalidOperationException>(
            async () => await Store.PutAsync("headless", payload, PutOptions.Default, null, None));
        Assert.Empty(await List("headless"));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(100_000, 999)]
    [InlineData((9 << 20) + 1, 600_000)]
    [InlineData(6 << 20, 1 << 20)]
    public async Task Writer_InPieces_AppearsWhenComplete(int length, int largestPiece)
    {
        var data = RandomBytes(length, 8);
        var random = new Random(9);
        await using var writer = await Store.OpenWriteAsync("stream", PutOptions.Default with { ContentType = "text/x" }, None);
        for (int at = 0; at < length;)
        {
            int piece = Math.Min(length - at, random.Next(largestPiece + 1));
            await writer.WriteAsync(data.AsMemory(at, piece), None);
            at += piece;
            Assert.Equal(at, writer.Written);
        }
        Assert.Empty(await List("stream"));

        var meta = await writer.CompleteAsync(None);

        Assert.Equal(length, meta.Size);
        Assert.Equal(Checksum.Of(data), meta.Checksum);
        Assert.Equal("text/x", (await Store.HeadAsync("stream", None)).ContentType);
        Assert.Equal(data, await Get("stream"));
    }

    [Fact]
    public async Task Writer_DisposedBeforeComplete_LeavesTheOldObject()
    {
        await Put("abandoned/old", "old");
        foreach (string key in (string[])["abandoned/old", "abandoned/new"])
        {
            await using var writer = await Store.OpenWriteAsync(key, PutOptions.Default, None);
            await writer.WriteAsync(RandomBytes(2 << 20, 10), None);
        }
        Assert.Equal(["abandoned/old"], await List("abandoned/"));
        Assert.Equal("old", await GetText("abandoned/old"));
    }

    [Fact]
    public async Task Writer_AfterComplete_Closed()
    {
        var writer = await Store.OpenWriteAsync("closed", PutOptions.Default, None);
        await writer.CompleteAsync(None);
        await Fails(ErrorKind.Closed, "closed", async () => await writer.WriteAsync(new byte[1], None));
        await Fails(ErrorKind.Closed, "closed", async () => await writer.CompleteAsync(None));
        await writer.DisposeAsync();
        Assert.Empty(await Get("closed"));
    }

    [Fact]
    public virtual async Task Put_OverwriteOff_KeepsTheOldObject()
    {
        var create = PutOptions.Default with { Overwrite = false };
        await Put("once", "first", create);
        await Fails(ErrorKind.AlreadyExists, "once", async () => await Put("once", "second", create));
        await Fails(ErrorKind.AlreadyExists, "once", async () =>
        {
            await using var writer = await Store.OpenWriteAsync("once", create, None);
            await writer.WriteAsync(new byte[10], None);
            await writer.CompleteAsync(None);
        });
        Assert.Equal("first", await GetText("once"));
    }

    [Fact]
    public virtual async Task Put_OverwriteOffByManyAtOnce_OneWins()
    {
        using var start = new Barrier(8);
        var racers = Enumerable.Range(0, 8).Select(i => Task.Factory.StartNew(
            async () =>
            {
                start.SignalAndWait();
                try
                {
                    await Put("race", $"racer {i}", PutOptions.Default with { Overwrite = false });
                    return (Won: true, Racer: i);
                }
                catch (StoreException error) when (error.Kind == ErrorKind.AlreadyExists)
                {
                    return (Won: false, Racer: i);
                }
            },
            None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap());
        var results = await Task.WhenAll(racers);
        var winner = Assert.Single(results, result => result.Won);
        Assert.Equal($"racer {winner.Racer}", await GetText("race"));
    }

    [Fact]
    public virtual async Task Put_IfMatch_ReplacesThatVersionOnly()
    {
        var first = await Put("matched", "one");
        var second = await Put("matched", "two", PutOptions.Default with { IfMatch = first.ETag });
        Assert.NotEqual(first.ETag, second.ETag);

        await Fails(ErrorKind.Precondition, "matched",
            async () => await Put("matched", "three", PutOptions.Default with { IfMatch = first.ETag }));
        await Fails(ErrorKind.Precondition, "matched",
            async () => await Store.OpenReadAsync("matched", ReadOptions.Default with { IfMatch = first.ETag }, None));
        await Fails(ErrorKind.NotFound, "unmatched",
            async () => await Put("unmatched", "x", PutOptions.Default with { IfMatch = first.ETag }));

        await using var reader = await Store.OpenReadAsync("matched", ReadOptions.Default with { IfMatch = second.ETag }, None);
        Assert.Equal(second.ETag, reader.Meta.ETag);
        Assert.Equal("two", await GetText("matched"));
        Assert.Empty(await List("unmatched"));
    }

    [Fact]
    public virtual async Task Put_IfMatchByManyAtOnce_OneWins()
    {
        var old = await Put("swap", "old");
        using var start = new Barrier(4);
        var racers = Enumerable.Range(0, 4).Select(i => Task.Factory.StartNew(
            async () =>
            {
                start.SignalAndWait();
                try
                {
                    await Put("swap", $"racer {i}", PutOptions.Default with { IfMatch = old.ETag });
                    return true;
                }
                catch (StoreException error) when (error.Kind == ErrorKind.Precondition)
                {
                    return false;
                }
            },
            None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap());
        Assert.Single(await Task.WhenAll(racers), won => won);
    }

    [Fact]
    public async Task Put_ManyTimesInARow_EachVersionHasItsOwnETag()
    {
        var tags = new HashSet<string?>();
        for (int i = 0; i < 40; i++)
            Assert.True(tags.Add((await Put("versions", $"{i:00}")).ETag), $"version {i} has the ETag of an earlier one");
    }

    [Fact]
    public virtual async Task Head_AfterPut_TellsTheSame()
    {
        var metadata = new Dictionary<string, string> { ["owner"] = "me", ["run"] = "a b \"c\" é" };
        var put = await Put("head", "text", PutOptions.Default with { ContentType = "text/plain", Metadata = metadata });

        var head = await Store.HeadAsync("head", None);
        await using var reader = await Store.OpenReadAsync("head", ReadOptions.Default, None);

        foreach (var meta in (ObjectMeta[])[put, head, reader.Meta])
        {
            Assert.Equal("head", meta.Key);
            Assert.Equal(4, meta.Size);
            Assert.NotNull(meta.ETag);
            Assert.Equal(put.ETag, meta.ETag);
            Assert.Equal(Checksum.Of("text"u8), meta.Checksum);
            Assert.Equal("text/plain", meta.ContentType);
            Assert.Equal(metadata.OrderBy(pair => pair.Key), meta.Metadata.OrderBy(pair => pair.Key));
            Assert.InRange(meta.LastModified, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddMinutes(10));
            Assert.Equal(TimeSpan.Zero, meta.LastModified.Offset);
        }
    }

    [Fact]
    public virtual async Task Put_WithAttributes_AreToldCopiedAndReplaced()
    {
        var attributes =
            new Dictionary<string, string>
            {
                ["cache_control"] = "no-store",
                ["content_encoding"] = "zstd",
                ["content_disposition"] = "attachment",
                ["content_language"] = "de"
            };
        await Put("attributes/from", "text", PutOptions.Default with { Attributes = attributes });
        await Store.CopyAsync("attributes/from", "attributes/to", PutOptions.Default, None);
        await Store.CopyAsync(
            "attributes/from", "attributes/other",
            PutOptions.Default with { Attributes = new Dictionary<string, string> { ["content_language"] = "fr" } }, None);
        await using (var writer = await Store.OpenWriteAsync(
                "attributes/written", PutOptions.Default with { Attributes = attributes }, None))
            await writer.CompleteAsync(None);
        foreach (string key in (string[])["attributes/from", "attributes/to", "attributes/written", "attributes/other"])
        {
            var head = await Store.HeadAsync(key, None);
            foreach (var (name, value) in attributes)
                Assert.Equal(key == "attributes/other" && name == "content_language" ? "fr" : value,
                    head.Attributes.GetValueOrDefault(name));
        }
        await Put("attributes/from", "plain");
        Assert.DoesNotContain((await Store.HeadAsync("attributes/from", None)).Attributes.Keys, attributes.ContainsKey);
    }

    [Fact]
    public virtual async Task Put_UnknownAttribute_IsRefusedWithTheNearest()
    {
        var options = PutOptions.Default with { Attributes = new Dictionary<string, string> { ["cache_controll"] = "x" } };
        var error = await Fails(ErrorKind.InvalidArgument, "unknown", async () => await Put("unknown", "x", options));
        Assert.Contains("did you mean 'cache_control'?", error.Message, StringComparison.Ordinal);
        await Fails(ErrorKind.InvalidArgument, "unknown", async () =>
        {
            await using var writer = await Store.OpenWriteAsync("unknown", options, None);
            await writer.CompleteAsync(None);
        });
        await Fails(ErrorKind.NotFound, "unknown", () => GetText("unknown"));
    }

    [Fact]
    public async Task Put_OverAnother_ReplacesItsMetadataToo()
    {
        await Put("plain", "a longer text",
            PutOptions.Default with { ContentType = "text/plain", Metadata = new Dictionary<string, string> { ["k"] = "v" } });
        await Put("plain", "short");
        var head = await Store.HeadAsync("plain", None);
        Assert.Empty(head.Metadata);
        Assert.NotEqual("text/plain", head.ContentType);
        Assert.Equal(Checksum.Of("short"u8), head.Checksum);
        Assert.Equal("short", await GetText("plain"));
    }

    public static TheoryData<string> OddKeys => new()
    {
        "odd/with space and  two",
        "odd/ünïcödé/日本語",
        "odd/above \U0001F600 and \U00010348",
        "odd/100%/%2F%20%",
        "odd/a+b&c=d?e#f;g@h:i,j$k!l'm(n)*",
        "odd/..hidden/...dots/.x/a..b/c.",
        "odd/back\\slash\"quote<>|^`{}~",
        "odd/tab\tand\nnewline",
        "odd/" + new string('n', 200),
        "odd/-leading-dash",
    };

    [Theory]
    [MemberData(nameof(OddKeys))]
    public virtual async Task Key_OddButAllowed_IsTakenLiterally(string key)
    {
        if (!Holds(key))
        {
            await Key_NotAllowed_InvalidArgumentEverywhere(key);
            return;
        }
        await Put(key, key);
        Assert.Equal(key, await GetText(key));
        Assert.Equal([key], await List("odd/"));
        Assert.Equal([key], await List(key));
        Assert.Equal(key, (await Store.HeadAsync(key, None)).Key);
        Assert.Empty(await Store.DeleteAsync([key], None));
        Assert.Empty(await List("odd/"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ends/with/")]
    [InlineData("nul\0character")]
    public async Task Key_NotAllowed_InvalidArgumentEverywhere(string key)
    {
        Func<Task>[] calls =
        [
            async () => await Put(key, "x"),
            async () => await Store.OpenReadAsync(key, ReadOptions.Default, None),
            async () => await Store.OpenWriteAsync(key, PutOptions.Default, None),
            async () => await Store.HeadAsync(key, None),
            async () => await Store.CopyAsync(key, "x", PutOptions.Default, None),
            async () => await Store.CopyAsync("x", key, PutOptions.Default, None),
        ];
        if (!(DeletesMarkers && key.EndsWith('/')))
            calls = [.. calls, async () => await Store.DeleteAsync(["fine", key], None)];
        await Put("x", "x");
        foreach (var call in calls)
            Assert.Equal(ErrorKind.InvalidArgument, (await Assert.ThrowsAsync<StoreException>(call)).Kind);
    }

    // not as inline data: attributes are stored as UTF-8, which has no such thing
    [Fact]
    public Task Key_HalfASurrogatePair_InvalidArgumentEverywhere() => Key_NotAllowed_InvalidArgumentEverywhere("half\ud800surrogate");

    [Fact]
    public virtual async Task Missing_EveryCall_NotFoundNamingTheObject()
    {
        await Fails(ErrorKind.NotFound, "not/there", async () => await Store.OpenReadAsync("not/there", ReadOptions.Default, None));
        await Fails(ErrorKind.NotFound, "not/there", async () => await Store.HeadAsync("not/there", None));
        await Fails(ErrorKind.NotFound, "not/there", async () => await Store.CopyAsync("not/there", "x", PutOptions.Default, None));
        await Fails(ErrorKind.NotFound, "not/there", async () => await Store.RenameAsync("not/there", "x", PutOptions.Default, None));
        await Fails(ErrorKind.NotFound, "not/there",
            async () => await Store.RenameAsync("not/there", "not/there", PutOptions.Default, None));
        Assert.Empty(await List("x"));
    }

    [Fact]
    public async Task Delete_SomeMissing_AllAreGone()
    {
        foreach (string key in (string[])["del/a", "del/b/c", "del/d"])
            await Put(key, key);
        Assert.Empty(await Store.DeleteAsync(["del/a", "del/nothing", "del/b/c", "del/a", "no/such/place"], None));
        Assert.Equal(["del/d"], await List("del/"));
    }

    [Fact]
    public async Task Copy_WithEverything_KeepsDataChecksumAndMetadata()
    {
        var data = RandomBytes((5 << 20) + 1, 11);
        var metadata = new Dictionary<string, string> { ["k"] = "v" };
        await Put("copy/from", data, PutOptions.Default with { ContentType = "a/b", Metadata = metadata });
        await Put("copy/to", "old");

        var copied = await Store.CopyAsync("copy/from", "copy/to", PutOptions.Default, None);

        var head = await Store.HeadAsync("copy/to", None);
        Assert.Equal("copy/to", copied.Key);
        Assert.Equal(Checksum.Of(data), copied.Checksum);
        Assert.Equal(Checksum.Of(data), head.Checksum);
        Assert.Equal(copied.ETag, head.ETag);
        Assert.Equal("a/b", head.ContentType);
        Assert.Equal(metadata, head.Metadata);
        Assert.Equal(data, await Get("copy/to"));
        Assert.Equal(data, await Get("copy/from"));
    }

    [Fact]
    public virtual async Task Copy_WithOptions_TheyHold()
    {
        await Put("copy/from", "data", PutOptions.Default with { ContentType = "a/b" });
        await Put("copy/there", "kept");
        await Fails(ErrorKind.AlreadyExists, "copy/there",
            async () => await Store.CopyAsync("copy/from", "copy/there", PutOptions.Default with { Overwrite = false }, None));
        Assert.Equal("kept", await GetText("copy/there"));
        await Store.CopyAsync("copy/from", "copy/new", PutOptions.Default with { Overwrite = false, ContentType = "c/d" }, None);
        Assert.Equal("c/d", (await Store.HeadAsync("copy/new", None)).ContentType);
        await Store.CopyAsync("copy/new", "copy/new", PutOptions.Default with { ContentType = "e/f" }, None);
        Assert.Equal("e/f", (await Store.HeadAsync("copy/new", None)).ContentType);
        Assert.Equal("data", await GetText("copy/new"));
    }

    [Fact]
    public async Task Rename_Object_MovesEverything()
    {
        await Put("move/from", "data", PutOptions.Default with { ContentType = "a/b" });
        var moved = await Store.RenameAsync("move/from", "move/new place/to", PutOptions.Default, None);
        Assert.Equal("move/new place/to", moved.Key);
        Assert.Equal(Checksum.Of("data"u8), moved.Checksum);
        Assert.Equal("a/b", moved.ContentType);
        Assert.Equal("data", await GetText("move/new place/to"));
        Assert.Equal(["move/new place/to"], await List("move/"));
    }

    [Fact]
    public virtual async Task Rename_OntoAnother_ObeysOverwrite()
    {
        await Put("onto/a", "a");
        await Put("onto/b", "b");
        await Fails(ErrorKind.AlreadyExists, "onto/b",
            async () => await Store.RenameAsync("onto/a", "onto/b", PutOptions.Default with { Overwrite = false }, None));
        Assert.Equal("a", await GetText("onto/a"));
        Assert.Equal("b", await GetText("onto/b"));
        await Store.RenameAsync("onto/a", "onto/b", PutOptions.Default, None);
        Assert.Equal(["onto/b"], await List("onto/"));
        Assert.Equal("a", await GetText("onto/b"));
        await Store.RenameAsync("onto/b", "onto/b", PutOptions.Default, None);
        Assert.Equal("a", await GetText("onto/b"));
    }

    [Fact]
    public virtual async Task CopyAndRename_OntoItself_ChangeNothingAndObeyTheOptions()
    {
        var put = await Put("self", "data");
        foreach (var move in (Func<string, string, PutOptions, Task<ObjectMeta>>[])
            [(from, to, options) => Store.CopyAsync(from, to, options, None).AsTask(),
                (from, to, options) => Store.RenameAsync(from, to, options, None).AsTask()])
        {
            Assert.Equal(("self", put.ETag, 4),
                ((await move("self", "self", PutOptions.Default)) is var same ? same.Key : "", same.ETag, same.Size));
            Assert.Equal(put.ETag, (await move("self", "self", PutOptions.Default with { IfMatch = put.ETag })).ETag);
            await Fails(ErrorKind.AlreadyExists, "self", () => move("self", "self", PutOptions.Default with { Overwrite = false }));
            await Fails(ErrorKind.Precondition, "self", () => move("self", "self", PutOptions.Default with { IfMatch = "\"another\"" }));
            await Fails(ErrorKind.NotFound, "none", () => move("none", "none", PutOptions.Default));
            Assert.Equal("data", await GetText("self"));
        }
        var described = await Store.RenameAsync("self", "self", PutOptions.Default with { ContentType = "a/b" }, None);
        Assert.Equal(("a/b", "a/b"), (described.ContentType, (await Store.HeadAsync("self", None)).ContentType));
        Assert.Equal("data", await GetText("self"));
        Assert.Equal(["self"], await List("self"));
    }

    [Fact]
    public virtual async Task DeleteSeen_WrittenSince_Stays()
    {
        var old = await Put("seen", "1");
        var seen = await Store.HeadAsync("seen", None);
        Assert.Equal(old.ETag, seen.ETag);
        await Put("seen", "22");
        Assert.False(await Store.DeleteSeenAsync("seen", seen, None));
        Assert.Equal("22", await GetText("seen"));
        Assert.True(await Store.DeleteSeenAsync("seen", await Store.HeadAsync("seen", None), None));
        Assert.True(await Store.DeleteSeenAsync("seen", seen, None));
        Assert.Empty(await List("seen"));
    }

    [Fact]
    public async Task Put_WhileOthersRead_TheySeeOldOrNew()
    {
        byte[][] versions = [.. Enumerable.Range(0, 2).Select(i => Enumerable.Repeat((byte)('a' + i), (300_000 * (i + 1)) + i).ToArray())];
        await Put("live", versions[0]);
        using var stop = new CancellationTokenSource();
        int reads = 0;
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var data = await Get("live");
                Assert.True(versions.Any(version => version.AsSpan().SequenceEqual(data)), $"{data.Length} bytes that nobody wrote");
                Interlocked.Increment(ref reads);
            }
        })).ToArray();
        for (int i = 0; i < 20 || Volatile.Read(ref reads) < 6; i++)
            await Put("live", versions[i % 2]);
        await stop.CancelAsync();
        await Task.WhenAll(readers);
    }

    [Fact]
    public async Task Reader_OpenedBeforeAnOverwrite_SeesItsVersion()
    {
        await Put("version", "first");
        await using var reader = await Store.OpenReadAsync("version", ReadOptions.Default, None);
        await Put("version", "other");
        var data = new byte[5];
        try
        {
            await reader.ReadAsync(0, data, None);
            Assert.Equal("first", Encoding.UTF8.GetString(data));
        }
        catch (StoreException error)
        {
            // a store that keeps no old versions may only refuse
            Assert.Equal(ErrorKind.Precondition, error.Kind);
        }
    }

    [Fact]
    public async Task Put_CancelledHalfway_LeavesTheOldObject()
    {
        await Put("cancel/old", "old");
        foreach (string key in (string[])["cancel/old", "cancel/new"])
        {
            using var cancel = new CancellationTokenSource();
            var payload = new Payload(RandomBytes((20 << 20) + 1, 12));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
                await Store.PutAsync(key, payload, PutOptions.Default, new Sum(_ => cancel.Cancel()), cancel.Token));
        }
        Assert.Equal(["cancel/old"], await List("cancel/"));
        Assert.Equal("old", await GetText("cancel/old"));
    }

    [Fact]
    public async Task Cancelled_BeforeTheCall_NothingHappens()
    {
        await Put("kept", "kept");
        var cancelled = new CancellationToken(canceled: true);
        await using var reader = await Store.OpenReadAsync("kept", ReadOptions.Default, None);
        Func<Task>[] calls =
        [
            async () => await Store.PutAsync("kept", new Payload(new byte[9]), PutOptions.Default, null, cancelled),
            async () => await Store.OpenReadAsync("kept", ReadOptions.Default, cancelled),
            async () => await Store.OpenWriteAsync("kept", PutOptions.Default, cancelled),
            async () => await Store.HeadAsync("kept", cancelled),
            async () => await Store.DeleteAsync(["kept"], cancelled),
            async () => await Store.CopyAsync("kept", "other", PutOptions.Default, cancelled),
            async () => await Store.RenameAsync("kept", "other", PutOptions.Default, cancelled),
            async () => await reader.ReadAsync(0, new byte[1], cancelled),
            async () =>
            {
                await foreach (var page in Store.ListAsync("kept", ListOptions.Default, cancelled))
                    Assert.Fail("a page came");
            },
        ];
        foreach (var call in calls)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(call);
        Assert.Equal("kept", await GetText("kept"));
        Assert.Empty(await List("other"));
    }

    /// <summary>Progress without a thread in between.</summary>
    sealed class Sum(Action<long>? seen = null) : IProgress<long>
    {
        public long Total { get; private set; }

        public void Report(long value)
        {
            Total += value;
            seen?.Invoke(value);
        }
    }
}
