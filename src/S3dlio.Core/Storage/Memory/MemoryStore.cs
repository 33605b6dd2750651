using System.Collections.Concurrent;
using System.Globalization;
using S3dlio.Hashing;

namespace S3dlio.Storage.Memory;

/// <summary>
/// Objects in this process's memory, by the name of the store: for tests, caches and examples. Nothing survives the process.
/// </summary>
public sealed class MemoryStore : ObjectStore
{
    static readonly ConcurrentDictionary<string, Shelf> Shelves = new(StringComparer.Ordinal);

    /// <summary>The memory of this process is no other's.</summary>
    static readonly string ThisProcess = Guid.NewGuid().ToString("n");

    readonly Shelf _shelf;

    public MemoryStore(StoreUri root)
    {
        Root = root with { Key = "" };
        _shelf = Shelves.GetOrAdd(root.Container, static _ => new Shelf());
    }

    public override StoreUri Root { get; }

    public override string Origin => ThisProcess;

    public override bool IsNear => true;

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        var item = Find(key);
        CheckMatch(key, options.IfMatch, item);
        return ValueTask.FromResult<ObjectReader>(new MemoryReader(Root.Child(key), item));
    }

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        CheckAttributes(key, options);
        if (payload.Length > Array.MaxLength)
            throw StoreException.InvalidArgument(Root.Child(key),
                $"memory:// holds objects of at most {Array.MaxLength} bytes, this one has {payload.Length}");
        var data = GC.AllocateUninitializedArray<byte>((int)payload.Length);
        var segments = new Checksum[payload.Body.Count];
        foreach (var block in payload.Blocks(1 << 20))
        {
            cancel.ThrowIfCancellationRequested();
            var copy = data.AsSpan((int)block.Offset, block.Bytes.Length);
            block.Bytes.Span.CopyTo(copy);
            segments[block.Segment] = segments[block.Segment].Append(copy);
            progress?.Report(block.Bytes.Length);
        }
        var digest = payload.Digest(segments);
        digest.Head.Span.CopyTo(data);
        if (digest.Head.Length > 0)
            progress?.Report(digest.Head.Length);
        return ValueTask.FromResult(Commit(key, data, digest.Checksum, options));
    }

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        CheckAttributes(key, options);
        return ValueTask.FromResult<ObjectWriter>(new MemoryWriter(this, key, options));
    }

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        return ValueTask.FromResult(Find(key).Meta);
    }

    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        options.Check(Root);
        await ValueTask.CompletedTask.ConfigureAwait(false);
        string? after = options.StartAfter;
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            var page = _shelf.Page(prefix, options, ref after);
            if (page.Objects.Count + page.Prefixes.Count > 0)
                yield return page;
            if (after is null)
                yield break;
        }
    }

    public override ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        foreach (string key in keys)
            ObjectKey.Check(Root, key);
        _shelf.Remove(keys);
        return ValueTask.FromResult<IReadOnlyList<DeleteFailure>>([]);
    }

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, source);
        ObjectKey.Check(Root, destination);
        CheckAttributes(destination, options);
        if (source == destination && !options.Describes)
            return OntoItselfAsync(destination, options, cancel);
        var item = Find(source);
        return ValueTask.FromResult(Commit(destination, item.Data, item.Meta.Checksum!.Value, options with
        {
            ContentType = options.ContentType ?? item.Meta.ContentType,
            Metadata = options.Metadata ?? item.Meta.Metadata,
            Attributes = ObjectAttributes.Copied(item.Meta, options, WritableAttributes),
        }));
    }

    internal ObjectMeta Commit(string key, ReadOnlyMemory<byte> data, Checksum checksum, PutOptions options)
    {
        var meta = new ObjectMeta
        {
            Key = key,
            Size = data.Length,
            LastModified = DateTimeOffset.UtcNow,
            ETag = _shelf.NextTag(),
            Checksum = checksum,
            ContentType = options.ContentType,
            Metadata = options.Metadata ?? ObjectMeta.NoMetadata,
            Attributes = options.Attributes ?? ObjectMeta.NoMetadata,
        };
        _shelf.Place(key, new MemoryItem(meta, data), old =>
        {
            if (old is not null && !options.Overwrite)
                throw StoreException.Exists(Root.Child(key));
            if (options.IfMatch is not null && old is null)
                throw Missing(key);
            CheckMatch(key, options.IfMatch, old);
        });
        return meta;
    }

    void CheckAttributes(string key, PutOptions options) =>
        ObjectAttributes.Check(Root.Child(key), options, WritableAttributes, hasTags: false);

    MemoryItem Find(string key) => _shelf.Find(key) ?? throw Missing(key);

    StoreException Missing(string key) => new(ErrorKind.NotFound, Root.Child(key), "no such object");

    void CheckMatch(string key, string? expected, MemoryItem? found)
    {
        if (expected is not null && found is not null && found.Meta.ETag != expected)
            throw StoreException.WrittenSince(Root.Child(key), expected, found.Meta.ETag);
    }

    /// <summary>The objects of one named store, in key order.</summary>
    sealed class Shelf
    {
        readonly Lock _gate = new();
        readonly SortedList<string, MemoryItem> _items = new(ObjectKey.Order);
        long _tag;

        public string NextTag() => Interlocked.Increment(ref _tag).ToString("x16", CultureInfo.InvariantCulture);

        public MemoryItem? Find(string key)
        {
            lock (_gate)
                return _items.GetValueOrDefault(key);
        }

        public void Place(string key, MemoryItem item, Action<MemoryItem?> check)
        {
            lock (_gate)
            {
                check(_items.GetValueOrDefault(key));
                _items[key] = item;
            }
        }

        public void Remove(IReadOnlyList<string> keys)
        {
            lock (_gate)
            {
                foreach (string key in keys)
                    _items.Remove(key);
            }
        }

        /// <summary>One page after <paramref name="after"/>, which becomes where the next begins, or null at the end.</summary>
        public ListPage Page(string prefix, ListOptions options, ref string? after)
        {
            var objects = new List<ObjectMeta>();
            var prefixes = new List<string>();
            lock (_gate)
            {
                int at = LowerBound(after is null || ObjectKey.Compare(after, prefix) < 0 ? prefix : after, after);
                for (; at < _items.Count; at++)
                {
                    string key = _items.Keys[at];
                    if (!key.StartsWith(prefix, StringComparison.Ordinal))
                        break;
                    if (objects.Count + prefixes.Count >= options.PageSize)
                        return new ListPage(objects, prefixes);
                    int fold = options.Recursive ? -1 : key.IndexOf('/', prefix.Length);
                    if (fold >= 0)
                    {
                        string folded = key[..(fold + 1)];
                        if (prefixes.Count == 0 || prefixes[^1] != folded)
                        {
                            if (after is null || !after.StartsWith(folded, StringComparison.Ordinal))
                                prefixes.Add(folded);
                        }
                    }
                    else if (options.Pattern?.IsMatch(key) ?? true)
                    {
                        objects.Add(_items.Values[at].Meta);
                    }
                    after = key;
                }
            }
            after = null;
            return new ListPage(objects, prefixes);
        }

        int LowerBound(string key, string? exclusive)
        {
            int low = 0, high = _items.Count;
            while (low < high)
            {
                int middle = (low + high) >>> 1;
                int order = ObjectKey.Compare(_items.Keys[middle], key);
                if (order < 0 || (order == 0 && exclusive is not null && key == exclusive))
                    low = middle + 1;
                else
                    high = middle;
            }
            return low;
        }
    }
}

/// <summary>One object; never changed after it was placed.</summary>
sealed record MemoryItem(ObjectMeta Meta, ReadOnlyMemory<byte> Data);
