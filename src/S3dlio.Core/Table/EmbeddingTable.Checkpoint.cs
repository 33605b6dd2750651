using System.Buffers.Binary;
using System.Diagnostics;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Table;

public sealed partial class EmbeddingTable
{
    const int MostDeletionsOfPage = 4096;

    /// <summary>What a checkpoint is made of, noted while no batch was in the gate.</summary>
    sealed record Frozen(
        uint Moment, long Step, long Changes, Dictionary<string, long> Sessions, long[] Rows, long[] First, int[][] Live,
        List<(long Key, long Location)>[] Deletions, byte[]?[] Sightings)
    {
        /// <summary>Files with pages of the checkpoint, beside those in which pages still lie.</summary>
        public HashSet<int> Needed { get; } = [];

        /// <summary>Whether a page had rows.</summary>
        public bool IsLive(int shard, long page) =>
            page >= First[shard] && page - First[shard] < Live[shard].Length && Live[shard][page - First[shard]] > 0;
    }

    /// <summary>Of the checkpoint under way, until its files are written; it changes under <see cref="_writing"/>.</summary>
    Frozen? _frozen;

    /// <summary>
    /// Makes a checkpoint of this moment, durable when it returns. Batches are kept out while the moment is noted, not while files are
    /// written: of a row that changes before it is written the old state is kept. After a failure the checkpoint before is whole and the
    /// table goes on.
    /// </summary>
    /// <param name="waits">True: waits for a checkpoint that is under way. False: that is an error.</param>
    /// <param name="cancel">Heard between pages. A cancelled checkpoint was not made; what it wrote is part of the next.</param>
    /// <exception cref="StoreException">Unavailable: one is under way. OutOfSpace: it was not made, and can be tried again. Others: a write
    /// or flush failed, and no further checkpoint succeeds until the table is opened again.</exception>
    public TableCheckpoint Checkpoint(bool waits, CancellationToken cancel)
    {
        CheckWritable();
        if (!_checkpointing.Wait(waits ? Timeout.Infinite : 0, cancel))
            throw new StoreException(ErrorKind.Unavailable, Directory, "a checkpoint is under way; wait for it, or call with wait=True");
        try
        {
            CheckOpen();
            long began = Stopwatch.GetTimestamp();
            var manifest = MakeCheckpoint(cancel);
            _checkpointTime = (long)Stopwatch.GetElapsedTime(began).TotalNanoseconds;
            _checkpoints++;
            return TableCheckpoint.Of(manifest);
        }
        catch (Exception error) when (TableErrors.IsOurs(error))
        {
            throw TableErrors.Translate(error, Directory);
        }
        finally
        {
            _checkpointing.Release();
        }
    }

    /// <summary>The checkpoints that are there, oldest first.</summary>
    public IReadOnlyList<TableCheckpoint> Checkpoints()
    {
        CheckOpen();
        return TableRecovery.Checkpoints(_disk, Directory);
    }

    TableManifest MakeCheckpoint(CancellationToken cancel)
    {
        if (IsMostlyDead())
            CompactFiles(0.5, cancel);
        Frozen frozen;
        // a page that is leaving memory has left before the moment, or leaves after it and is the checkpoint's to write first
        lock (_writing)
        {
            _files.Begin();
            frozen = Freeze();
        }
        try
        {
            WriteSnapshot(cancel);
            TableManifest manifest;
            lock (_writing)
            {
                WriteGathered();
                WriteDeletions(frozen);
                WriteSightings(frozen);
                _files.Seal();
                manifest = Manifest(frozen);
                Thaw();
            }
            try
            {
                TableRecovery.WriteManifest(_disk, Directory, manifest);
            }
            catch (DiskException error) when (!error.IsOutOfSpace)
            {
                _files.Poison(error);
                throw;
            }
            Volatile.Write(ref _newest, manifest);
            Volatile.Write(ref _changesInCheckpoint, frozen.Changes);
        }
        catch
        {
            lock (_writing)
                Thaw();
            // they are of the next checkpoint
            foreach (var shard in _shards)
            {
                lock (shard.Gate)
                    shard.Deletions.InsertRange(0, frozen.Deletions[shard.Number]);
            }
            throw;
        }
        try
        {
            Retain();
        }
        catch (Exception error) when (error is DiskException or StoreException)
        {
            // the checkpoint is durable; what could not be removed is tried again after the next
        }
        return _newest;
    }

    /// <summary>Writes the pages that changed since the checkpoint before.</summary>
    void WriteSnapshot(CancellationToken cancel)
    {
        foreach (var shard in _shards)
        {
            for (long page = 0; ;)
            {
                cancel.ThrowIfCancellationRequested();
                // in between others may give memory back
                lock (_writing)
                {
                    lock (shard.Gate)
                        page = shard.NextPending(page);
                    if (page < 0)
                        break;
                    WritePending(shard, page, mayGather: true);
                }
            }
        }
    }

    /// <summary>The moment of the checkpoint is over: what changes from now on is the next one's only. Twice is fine.</summary>
    void Thaw()
    {
        if (_frozen is null)
            return;
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
                shard.EndSnapshot();
            _gathered[shard.Number]?.Clear();
        }
        _files.End();
        _frozen = null;
    }

    /// <summary>True where the files have more than twice the bytes of the rows that are in use, and a file more than that.</summary>
    bool IsMostlyDead()
    {
        long all = _files.Segments.Sum(segment => segment?.Length ?? 0);
        return all > (2 * Count * (_layout.Stride + RowLayout.KeyBytes)) + Options.SegmentSize;
    }

    /// <summary>The moment of the checkpoint.</summary>
    Frozen Freeze()
    {
        var sessions = new Dictionary<string, long>(StringComparer.Ordinal);
        var rows = new long[_shards.Length];
        var live = new int[_shards.Length][];
        var deletions = new List<(long, long)>[_shards.Length];
        long began = Stopwatch.GetTimestamp();
        _gate.Close();
        try
        {
            foreach (var shard in _shards)
            {
                live[shard.Number] = shard.Live();
                shard.BeginSnapshot();
                rows[shard.Number] = shard.Index.Count;
                (deletions[shard.Number], shard.Deletions) = (shard.Deletions, []);
            }
            foreach (var (name, session) in _sessions)
            {
                if (session.Serial >= 0)
                    sessions.Add(name, session.Serial);
            }
            return _frozen = new Frozen(
                _shards[0].Moment - 1, _step, _changes, sessions, rows, [.. _shards.Select(shard => shard.First)], live, deletions,
                [.. _shards.Select(shard => shard.Admission?.ToBytes())]);
        }
        finally
        {
            _gate.Open();
            _gateTime = (long)Stopwatch.GetElapsedTime(began).TotalNanoseconds;
            _longestGate = Math.Max(_longestGate, _gateTime);
        }
    }

    void WriteDeletions(Frozen frozen)
    {
        foreach (var shard in _shards)
        {
            var all = frozen.Deletions[shard.Number];
            for (int from = 0; from < all.Count; from += MostDeletionsOfPage)
            {
                var some = all.GetRange(from, Math.Min(MostDeletionsOfPage, all.Count - from));
                var page = new byte[RowLayout.HeaderBytes + (some.Count * 2 * RowLayout.KeyBytes)];
                var keys = page.AsSpan(RowLayout.HeaderBytes, some.Count * RowLayout.KeyBytes);
                var locations = page.AsSpan(RowLayout.HeaderBytes + keys.Length);
                for (int i = 0; i < some.Count; i++)
                {
                    BinaryPrimitives.WriteInt64LittleEndian(keys[(i * RowLayout.KeyBytes)..], some[i].Key);
                    BinaryPrimitives.WriteInt64LittleEndian(locations[(i * RowLayout.KeyBytes)..], some[i].Location);
                }
                new PageHeader
                {
                    Kind = PageKind.Deletions,
                    Shard = shard.Number,
                    Number = 0,
                    Count = some.Count,
                    Stride = 0,
                    KeysChecksum = Crc32C.Compute(keys),
                    LocationsChecksum = Crc32C.Compute(locations),
                }.Write(page, _files.Seed);
                long place = _files.Append(page);
                _deletionsIn.Add(PageFiles.SegmentOf(place));
            }
        }
    }

    void WriteSightings(Frozen frozen)
    {
        _sightingsIn.Clear();
        foreach (var shard in _shards)
        {
            if (frozen.Sightings[shard.Number] is not { } state)
                continue;
            var page = new byte[RowLayout.HeaderBytes + state.Length];
            state.CopyTo(page, RowLayout.HeaderBytes);
            new PageHeader
            {
                Kind = PageKind.Sightings,
                Shard = shard.Number,
                Number = frozen.Moment,
                Count = state.Length / RowLayout.KeyBytes,
                Stride = 0,
                KeysChecksum = Crc32C.Compute(state),
                LocationsChecksum = 0,
            }.Write(page, _files.Seed);
            _sightingsIn.Add(PageFiles.SegmentOf(_files.Append(page)));
        }
    }

    /// <summary>Files with the sightings of the newest checkpoint.</summary>
    readonly HashSet<int> _sightingsIn = [];

    /// <summary>Files with deletions: they stay while older rows of the keys may be in others.</summary>
    readonly HashSet<int> _deletionsIn = [];

    /// <summary>Names the files in which a row of the moment lies, and those with deletions.</summary>
    TableManifest Manifest(Frozen frozen)
    {
        var segments = _files.Segments;
        var needed = new HashSet<int>(_deletionsIn.Union(_sightingsIn).Union(frozen.Needed));
        var shards = new ManifestShard[_shards.Length];
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                for (int i = 0; i < frozen.Live[shard.Number].Length; i++)
                {
                    // one that left memory since was noted, and its file is the next checkpoint's
                    long place = shard.PlaceOf(frozen.First[shard.Number] + i);
                    if (frozen.Live[shard.Number][i] > 0 && place != Shard.NoPlace
                        && segments[PageFiles.SegmentOf(place)] is { } segment && segment.Moment <= frozen.Moment)
                        needed.Add(PageFiles.SegmentOf(place));
                }
                shards[shard.Number] = new ManifestShard(shard.Pages, frozen.Rows[shard.Number]);
            }
        }
        var named = segments.Where((segment, i) => segment is not null && needed.Contains(i))
            .Select(segment => new ManifestSegment(segment!.Name, segment.Length, segment.Checksum)).ToArray();
        var before = _newest.Segments.Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
        return _newest with
        {
            Version = _newest.Version + 1,
            Parent = _newest.Version,
            Created = SegmentHeader.Now(),
            Optimizer = Options.Optimizer,
            Moment = frozen.Moment,
            Step = frozen.Step,
            NewBytes = named.Where(one => !before.Contains(one.Name)).Sum(one => one.Length),
            Sessions = frozen.Sessions,
            Shards = shards,
            Segments = named,
        };
    }

    /// <summary>The files that each checkpoint names.</summary>
    readonly Dictionary<long, string[]> _namedBy = [];

    static string[] NamesOf(TableManifest manifest) => [.. manifest.Segments.Select(one => one.Name)];

    /// <summary>
    /// Removes manifests beyond those that are kept, and then the files that no manifest names and no row of now lies in. A failure costs
    /// room until the next checkpoint, nothing else.
    /// </summary>
    void Retain()
    {
        var manifests = TableRecovery.Manifests(_disk, Directory);
        var kept = manifests;
        if (Options.Keep > 0 && manifests.Count > Options.Keep)
        {
            kept = manifests[^Options.Keep..];
            foreach (long version in manifests[..^Options.Keep])
                _files.Delete(TableManifest.NameOf(version));
            // a manifest that comes back after a crash would name files that are gone
            _disk.SyncDirectory(Directory);
        }
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (long version in _namedBy.Keys.Except(kept).ToArray())
            _namedBy.Remove(version);
        foreach (long version in kept)
        {
            // each manifest is read once, however many are kept
            if (!_namedBy.TryGetValue(version, out var names))
                _namedBy[version] = names = version == _newest.Version
                    ? NamesOf(_newest)
                    : NamesOf(TableRecovery.ReadManifest(_disk, Directory, version));
            named.UnionWith(names);
        }
        var segments = _files.Segments;
        _reading.EnterWriteLock();
        try
        {
            lock (_writing)
            {
                var inUse = new HashSet<int>(_deletionsIn.Union(_sightingsIn));
                foreach (var shard in _shards)
                {
                    lock (shard.Gate)
                    {
                        for (long page = shard.First; page < shard.Pages; page++)
                        {
                            if (shard.LiveOf(page) > 0 && shard.PlaceOf(page) != Shard.NoPlace)
                                inUse.Add(PageFiles.SegmentOf(shard.PlaceOf(page)));
                        }
                    }
                }
                _files.Remove(Enumerable.Range(0, segments.Count)
                    .Where(i => segments[i] is { IsSealed: true } one && !inUse.Contains(i) && !named.Contains(one.Name)));
                _gate.Close();
                try
                {
                    foreach (var shard in _shards)
                    {
                        shard.ReleaseDead();
                        shard.DropFirst(_files);
                    }
                }
                finally
                {
                    _gate.Open();
                }
            }
        }
        finally
        {
            _reading.ExitWriteLock();
        }
    }
}
