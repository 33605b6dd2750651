using System.Globalization;
using System.Text;
using S3dlio.Cache;
using S3dlio.IO;
using S3dlio.Log;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>
/// Random writes through journals beside a dictionary that says what there must be: the oracle of the crash tests. All follows from the
/// seed.
/// </summary>
sealed class JournalModel(int seed)
{
    const string Root = "/d/journal";
    const string Manifest = "s/manifest", Refused = "refused/0";

    static readonly string[] Keys = ["s/0", "s/1", "s/2", "s/3", Manifest, "d/0", "d/1", "d/2", Refused];

    readonly Random _random = new(seed);

    /// <summary>For each object what was acknowledged, oldest first; null is a deletion.</summary>
    readonly Dictionary<string, List<(int Number, byte[]? Data)>> _acknowledged =
        Keys.ToDictionary(key => key, _ => new List<(int, byte[]?)>());

    (string Key, int Number, byte[]? Data)? _underWay;
    string? _broken;
    int _number;

    public RemoteStore Remote { get; } = new();

    public WriteBack? Journals { get; private set; }

    public int Barriers { get; private set; }

    public static SimulatedDisk NewDisk()
    {
        var disk = new SimulatedDisk();
        disk.CreateDirectory("/d");
        return disk;
    }

    /// <summary>A process begins: what was acknowledged is there and equal, and nothing that nobody wrote.</summary>
    public async Task Open(Disk disk)
    {
        Remote.Before = key => key == Refused
            ? throw new StoreException(ErrorKind.PermissionDenied, key, "refused")
            : _random.Next(6) == 0 ? throw new StoreException(ErrorKind.Unavailable, key, "not now") : Arrived(key);
        Remote.After = key => _random.Next(8) == 0 ? throw new StoreException(ErrorKind.Unavailable, key, "the answer is lost")
            : Task.CompletedTask;
        Journals = new WriteBack(disk, Root, Remote, LogOptions.LeastSegment) { FirstRetry = 0 };
        Journals.AdoptNow();
        foreach (string key in Keys)
            await Check(key);
        _underWay = null;
    }

    /// <summary>The store sees no manifest without what was acknowledged before it.</summary>
    async Task Arrived(string key)
    {
        if (key != Manifest)
            return;
        Barriers++;
        int manifest = Journals!.Find(Manifest) is null ? int.MaxValue : NumberOf((await Sent(Manifest))!);
        foreach (string shard in Keys.Where(one => one.StartsWith("s/", StringComparison.Ordinal) && one != Manifest))
        {
            int needed = _acknowledged[shard].Where(one => one.Number < manifest).Select(one => one.Number).DefaultIfEmpty(-1).Max();
            int there = await Remote.Get(shard) is { } data ? NumberOf(data) : -1;
            // the sender would take it for an error of the store
            if (there < needed)
                _broken ??= $"the manifest {manifest} goes, and {shard} is at {there} instead of {needed}";
        }
    }

    /// <summary>The write of an object that is on its way, or would be next.</summary>
    async Task<byte[]?> Sent(string key) => await Read(Journals!.Waiting(key).First(one => one.Record.Key == key));

    static async Task<byte[]?> Read(PendingWrite write)
    {
        await using var reader = JournalReader.TryOpen(write, write.Record.Key, write.Record.Key);
        if (reader is null)
            return null;
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, default);
        return data;
    }

    async Task Check(string key)
    {
        var found = await Visible(key);
        var acknowledged = _acknowledged[key];
        if (_underWay is { } way && way.Key == key && Same(found, way.Data))
            acknowledged.Add((way.Number, way.Data));
        byte[]? expected = acknowledged.Count == 0 ? null : acknowledged[^1].Data;
        Assert.True(Same(found, expected), $"{key}: {Describe(found)} is there, {Describe(expected)} was acknowledged");
    }

    async Task<byte[]?> Visible(string key)
    {
        while (Journals!.Find(key) is { } write)
        {
            if (write.Record.Kind == JournalKind.Delete)
                return null;
            if (await Read(write) is { } data)
                return data;
        }
        return await Remote.Get(key);
    }

    public async Task Step()
    {
        string key = Keys[_random.Next(Keys.Length)];
        switch (_random.Next(10))
        {
            case < 5:
                await Put(key);
                break;
            case 5:
                await Delete(key);
                break;
            case 6:
                await Check(key);
                break;
            default:
                await Tend();
                break;
        }
    }

    async Task Put(string key)
    {
        byte[] data = Data();
        _underWay = (key, _number, data);
        var options = PutOptions.Default with { Barrier = key == Manifest };
        if (await Journals!.PutAsync(key, new Payload(data), options, true, null, default) is not null)
            _acknowledged[key].Add((_number, data));
        _number++;
        _underWay = null;
    }

    async Task Delete(string key)
    {
        if (key.StartsWith("s/", StringComparison.Ordinal))
            return;
        _underWay = (key, _number, null);
        if (await Journals!.DeleteAsync([key], true, default))
            _acknowledged[key].Add((_number, null));
        _number++;
        _underWay = null;
    }

    public async Task Tend()
    {
        Journals!.Tend();
        await Task.WhenAll(Journals.Sending());
        Assert.Null(_broken);
    }

    /// <summary>Everything arrives but what is refused; the store has seen each object's writes in their order.</summary>
    public async Task Drain()
    {
        _random.Next();
        Remote.Before = key => key == Refused ? throw new StoreException(ErrorKind.PermissionDenied, key, "refused") : Arrived(key);
        Remote.After = null;
        // a refused write keeps the manifests of its journal back: given up, they go
        for (int i = 0; i < 200 && Journals!.Waiting("").Count > 0; i++)
        {
            await Tend();
            if (i % 20 == 19)
                await Journals.UnparkAsync("", isGivenUp: true);
        }
        Assert.True(Journals!.Waiting("") is [], string.Join("; ", Journals.Waiting("").Select(one => $"{one.Record} {one.LastError}")));
        foreach (string key in Keys.Where(one => one != Refused))
        {
            var acknowledged = _acknowledged[key];
            byte[]? expected = acknowledged.Count == 0 ? null : acknowledged[^1].Data;
            byte[]? there = await Remote.Get(key);
            Assert.True(Same(there, expected), $"{key}: the store has {Describe(there)}, {Describe(expected)} was acknowledged");
            int last = -1;
            foreach (var (_, data) in Remote.History.Where(one => one.Key == key && one.Data is not null))
            {
                Assert.True(NumberOf(data!) >= last, $"{key}: {NumberOf(data!)} came after {last}");
                last = NumberOf(data!);
            }
        }
    }

    byte[] Data()
    {
        int length = _random.Next(50) == 0 ? WriteJournal.MostInline + _random.Next(1, 300_000) : 10 + _random.Next(3000);
        var data = new byte[length];
        _random.NextBytes(data);
        Encoding.ASCII.GetBytes(_number.ToString("d10", CultureInfo.InvariantCulture)).CopyTo(data, 0);
        return data;
    }

    static int NumberOf(byte[] data) => int.Parse(Encoding.ASCII.GetString(data, 0, 10), CultureInfo.InvariantCulture);

    static bool Same(byte[]? one, byte[]? other) => one is null ? other is null : other is not null && one.AsSpan().SequenceEqual(other);

    static string Describe(byte[]? data) => data is null ? "nothing" : $"write {NumberOf(data)} of {data.Length} bytes";
}
