using System.Collections.Concurrent;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// The objects of a log in a store, as files that can be read. Files are read without waiting and stores are not: bytes that are not here
/// yet end the work that needs them, are fetched, and the work is done again. It reads only, so doing it again changes nothing.
/// </summary>
sealed class StoreDisk(ObjectStore store, string prefix) : Disk, IAsyncDisposable
{
    const int BlockLength = 64 << 10, MostAtOnce = 8 << 20, Requests = 8;
    const long MostKept = 64 << 20;

    readonly ConcurrentDictionary<(string Name, long Block), byte[]> _blocks = [];
    readonly ConcurrentDictionary<string, Lazy<Task<ObjectReader>>> _readers = [];
    Dictionary<string, long> _lengths = [];

    public string Directory => store.Root.Child(prefix);

    public override ulong BootId => 0;

    public override bool IsLocal(string directory) => false;

    public override long DirectoryStamp(string directory) => DateTime.UtcNow.Ticks;

    /// <summary>Looks which objects there are.</summary>
    public async ValueTask ListAsync(CancellationToken cancel)
    {
        Dictionary<string, long> lengths = [];
        await foreach (var page in store.ListAsync(prefix, new ListOptions { Recursive = false }, cancel).ConfigureAwait(false))
        {
            foreach (var entry in page.Objects)
                lengths[entry.Key[prefix.Length..]] = entry.Size;
        }
        Volatile.Write(ref _lengths, lengths);
    }

    public bool Has(string name) => Volatile.Read(ref _lengths).ContainsKey(name);

    public async ValueTask<T> RunAsync<T>(Func<T> body, CancellationToken cancel)
    {
        // what others read may go; what this call fetches stays until it ends
        if (_blocks.Count * (long)BlockLength > MostKept)
            _blocks.Clear();
        while (true)
        {
            try
            {
                return body();
            }
            catch (MissingBytesException missing)
            {
                await FetchAsync([(missing.Name, missing.Offset, missing.Length)], cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Has ranges of objects here, several requests at once.</summary>
    public async ValueTask FetchAsync(IEnumerable<(string Name, long Offset, long Length)> ranges, CancellationToken cancel)
    {
        List<(string Name, long First, int Count)> wanted = [];
        foreach (var (name, offset, length) in ranges)
        {
            long end = (Math.Min(offset + length, LengthOf(name)) + BlockLength - 1) / BlockLength;
            for (long block = offset / BlockLength; block < end; block++)
            {
                if (_blocks.ContainsKey((name, block)) || wanted.Count > 0 && wanted[^1] is var same && same.Name == name
                    && block < same.First + same.Count)
                    continue;
                if (wanted.Count > 0 && wanted[^1] is var last && last.Name == name && last.First + last.Count == block
                    && last.Count < MostAtOnce / BlockLength)
                    wanted[^1] = last with { Count = last.Count + 1 };
                else
                    wanted.Add((name, block, 1));
            }
        }
        var options = new ParallelOptions { MaxDegreeOfParallelism = Requests, CancellationToken = cancel };
        await Parallel.ForEachAsync(wanted, options, async (one, stop) =>
        {
            long offset = one.First * BlockLength;
            var bytes = new byte[Math.Min((long)one.Count * BlockLength, LengthOf(one.Name) - offset)];
            var reader = await ReaderAsync(one.Name, stop).ConfigureAwait(false);
            await reader.ReadAsync(offset, bytes, stop).ConfigureAwait(false);
            for (int i = 0; i < one.Count; i++)
                _blocks[(one.Name, one.First + i)] = bytes[(i * BlockLength)..Math.Min((i + 1) * BlockLength, bytes.Length)];
        }).ConfigureAwait(false);
    }

    async Task<ObjectReader> ReaderAsync(string name, CancellationToken cancel)
    {
        var opening = _readers.GetOrAdd(name, one => new Lazy<Task<ObjectReader>>(
            () => store.OpenReadAsync(prefix + one, ReadOptions.Default, CancellationToken.None).AsTask()));
        try
        {
            return await opening.Value.WaitAsync(cancel).ConfigureAwait(false);
        }
        catch (StoreException)
        {
            _readers.TryRemove(new(name, opening));
            throw;
        }
    }

    long LengthOf(string name) => Volatile.Read(ref _lengths).GetValueOrDefault(name);

    static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    public override DiskFile Open(string path, DiskOpen mode) =>
        mode != DiskOpen.Read ? throw ReadOnly(path, "open for writing")
        : Has(NameOf(path)) ? new StoreFile(this, path)
        : throw new DiskException(Errno.ENOENT, path, "open");

    public override IReadOnlyList<string> List(string directory) => [.. Volatile.Read(ref _lengths).Keys];

    public override string? Holder(string path) => null;

    public override void CreateDirectory(string path) => throw ReadOnly(path, "create the directory");

    public override void Rename(string from, string to) => throw ReadOnly(to, "rename a file to it");

    public override void Unlink(string path) => throw ReadOnly(path, "delete");

    public override void SyncDirectory(string path) => throw ReadOnly(path, "flush the directory");

    public override long FreeSpace(string directory) => 0;

    public override IDisposable? TryLock(string path, out string holder) => throw ReadOnly(path, "lock");

    static DiskException ReadOnly(string path, string operation) => new(Errno.EROFS, path, operation);

    public async ValueTask DisposeAsync()
    {
        foreach (var opening in _readers.Values)
        {
            if (opening.IsValueCreated && opening.Value.IsCompletedSuccessfully)
                await (await opening.Value.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        _readers.Clear();
        _blocks.Clear();
    }

    /// <summary>Ends work that needs bytes which are not here.</summary>
    sealed class MissingBytesException(string name, long offset, long length) : Exception("bytes of an object are not here yet")
    {
        public string Name => name;

        public long Offset => offset;

        public long Length => length;
    }

    sealed class StoreFile(StoreDisk disk, string path) : DiskFile
    {
        readonly string _name = NameOf(path);

        public override string Path => path;

        public override long Length => disk.LengthOf(_name);

        public override long AllocatedLength => Length;

        public override int Read(Span<byte> buffer, long offset)
        {
            int count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
            for (int done = 0; done < count;)
            {
                long block = (offset + done) / BlockLength;
                if (!disk._blocks.TryGetValue((_name, block), out byte[]? bytes))
                    throw new MissingBytesException(_name, offset + done, count - done);
                int start = (int)(offset + done - (block * BlockLength)), length = Math.Min(count - done, bytes.Length - start);
                bytes.AsSpan(start, length).CopyTo(buffer[done..]);
                done += length;
            }
            return count;
        }

        public override void Write(ReadOnlySpan<byte> data, long offset) => throw ReadOnly(path, "write");

        public override void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset) => throw ReadOnly(path, "write");

        public override void Flush() => throw ReadOnly(path, "flush");

        public override void Allocate(long length) => throw ReadOnly(path, "reserve room");

        public override void PunchHole(long offset, long length) => throw ReadOnly(path, "give back room");

        public override void SetLength(long length) => throw ReadOnly(path, "set the length");

        public override void Dispose()
        {
            // the blocks are the disk's
        }
    }
}
