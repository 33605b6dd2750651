using System.Buffers.Binary;
using System.Runtime.InteropServices;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Table;

/// <summary>The manifests of a table's directory, and what they lead to.</summary>
static class TableRecovery
{
    /// <summary>Versions whose manifests are there, oldest first; 0 is the empty table.</summary>
    public static List<long> Manifests(Disk disk, string directory) =>
        [.. disk.List(directory).Select(name => TableManifest.TryParseName(name, out long version) ? version : -1)
            .Where(version => version >= 0).Order()];

    public static TableManifest ReadManifest(Disk disk, string directory, long version)
    {
        string path = $"{directory}/{TableManifest.NameOf(version)}";
        using var file = disk.Open(path, DiskOpen.Read);
        var bytes = new byte[Math.Min(file.Length, TableManifest.MaxLength + 1)];
        int count = file.Read(bytes, 0);
        var manifest = TableManifest.Read(bytes.AsMemory(0, count), path);
        return manifest.Version == version
            ? manifest
            : throw new StoreException(
                ErrorKind.InvalidData, path, $"expected version {version} as the file's name says, found version {manifest.Version}");
    }

    /// <summary>Gives the manifest its name once its bytes are durable, and makes the name durable.</summary>
    public static void WriteManifest(Disk disk, string directory, TableManifest manifest)
    {
        string name = TableManifest.NameOf(manifest.Version), temporary = $"{directory}/tmp-{name}";
        using (var file = disk.Open(temporary, DiskOpen.WriteOrCreate))
        {
            file.SetLength(0);
            file.Write(manifest.ToBytes(), 0);
            file.Flush();
        }
        disk.Rename(temporary, $"{directory}/{name}");
        disk.SyncDirectory(directory);
    }

    /// <summary>All checkpoints whose manifests can be read.</summary>
    public static List<TableCheckpoint> Checkpoints(Disk disk, string directory)
    {
        var found = new List<TableCheckpoint>();
        try
        {
            foreach (long version in Manifests(disk, directory).Where(version => version > 0))
            {
                try
                {
                    found.Add(TableCheckpoint.Of(ReadManifest(disk, directory, version)));
                }
                catch (DiskException error) when (error.IsMissing)
                {
                    // its retention ended meanwhile
                }
            }
        }
        catch (DiskException error)
        {
            throw error.IsMissing ? Missing(directory) : TableErrors.Translate(error, directory);
        }
        return found;
    }

    public static StoreException Missing(string directory) => new(ErrorKind.NotFound, directory, "there is no table");

    /// <summary>
    /// The manifest to go on from: that of the version asked for or the newest. Where it is damaged it is an error, or, when asked, the one
    /// before is taken.
    /// </summary>
    public static TableManifest Choose(
        Disk disk, string directory, TableOptions options, List<string> damage, Func<TableManifest, Exception?> load)
    {
        var versions = Manifests(disk, directory);
        if (versions.Count == 0)
            throw Missing(directory);
        if (options.Version > 0 && !versions.Contains(options.Version))
            throw new StoreException(
                ErrorKind.NotFound, directory,
                $"there is no checkpoint {options.Version}; there are {string.Join(", ", versions.Where(one => one > 0))}");
        foreach (long version in versions.Where(one => options.Version == 0 || one <= options.Version).Reverse())
        {
            Exception? fault;
            try
            {
                var manifest = ReadManifest(disk, directory, version);
                CheckParent(disk, directory, manifest, versions);
                fault = load(manifest);
                if (fault is null)
                    return manifest;
            }
            catch (StoreException error)
            {
                fault = error;
            }
            if (!options.FallsBack || version == versions[0])
                throw fault is StoreException
                    ? fault
                    : TableErrors.Translate(fault, directory);
            damage.Add($"checkpoint {version} was passed over: {fault.Message}");
        }
        throw Missing(directory);
    }

    /// <summary>A checkpoint goes on from the one before: where that is there, no session is behind it.</summary>
    static void CheckParent(Disk disk, string directory, TableManifest manifest, List<long> versions)
    {
        if (!versions.Contains(manifest.Parent))
            return;
        TableManifest parent;
        try
        {
            parent = ReadManifest(disk, directory, manifest.Parent);
        }
        catch (Exception error) when (error is StoreException or DiskException)
        {
            return;
        }
        string path = $"{directory}/{TableManifest.NameOf(manifest.Version)}";
        StoreException Fault(string detail) => new(ErrorKind.InvalidData, path, detail);
        if (parent.Table != manifest.Table)
            throw Fault($"expected table {parent.Table} as in checkpoint {parent.Version}, found {manifest.Table} in field 'table'");
        foreach (var (id, serial) in parent.Sessions)
        {
            if (!manifest.Sessions.TryGetValue(id, out long now) || now < serial)
                throw Fault(
                    $"expected session {MessageText.Quote(id)} at serial {serial} or later, as checkpoint {parent.Version} has it, found"
                    + $" {(manifest.Sessions.ContainsKey(id) ? now : "none")} in field 'sessions'");
        }
        if (manifest.Step < parent.Step)
            throw Fault($"expected field 'step' from {parent.Step}, as checkpoint {parent.Version} has it, found {manifest.Step}");
    }

    /// <summary>
    /// Rebuilds a shard's index from the keys of all pages that the manifest's files have, and checks what the manifest says of them.
    /// </summary>
    /// <exception cref="StoreException">It names the file, and the field or the place in it.</exception>
    public static void Load(
        Disk disk, string directory, TableManifest manifest, RowLayout layout, PageFiles files, Shard[] shards, HashSet<int> deletionsIn,
        TableOptions options)
    {
        var pages = new List<RecoveredPage>[shards.Length];
        for (int i = 0; i < pages.Length; i++)
            pages[i] = [];
        var ids = manifest.Segments.Select(one =>
        {
            var segment = new TableSegment(disk, directory, one.Folder, one.FirstPage)
            {
                Length = one.Length,
                Checksum = one.Checksum,
                IsSealed = true,
            };
            return files.Add(segment);
        }).ToArray();
        var gate = new Lock();
        ParallelWork.ForAsync(
            ids.Length, Math.Min(2, ids.Length),
            (i, _) =>
            {
                foreach (var page in ReadSegment(files, ids[i], manifest, layout, options.ChecksAll))
                {
                    lock (gate)
                    {
                        pages[page.Shard].Add(page);
                        if (page.Kind == PageKind.Rows)
                            files.Get(ids[i]).Note(page.Shard, page.Number, page.Keys.Length, page.Moment);
                        if (page.Kind == PageKind.Deletions)
                            deletionsIn.Add(ids[i]);
                    }
                }
                return ValueTask.CompletedTask;
            },
            CancellationToken.None).GetAwaiter().GetResult();
        ParallelWork.ForAsync(
            shards.Length, Math.Min(2, shards.Length),
            (i, _) =>
            {
                Rebuild(shards[i], pages[i], layout, files);
                return ValueTask.CompletedTask;
            },
            CancellationToken.None).GetAwaiter().GetResult();
        foreach (var shard in shards)
        {
            if (options.AdmitAfter > 1)
                shard.Admission = new Admission(options.AdmitAfter);
            if (pages[shard.Number].Where(page => page.Kind == PageKind.Sightings).MaxBy(page => page.Number) is { } seen)
                shard.Admission?.Take(MemoryMarshal.AsBytes(seen.Keys.AsSpan()));
            long expected = manifest.Shards[shard.Number].Rows;
            if (shard.Index.Count != expected)
                throw new StoreException(
                    ErrorKind.InvalidData, $"{directory}/{TableManifest.NameOf(manifest.Version)}",
                    $"expected {expected} rows in shard {shard.Number}, as field 'rows' says, found {shard.Index.Count} in its files");
        }
    }

    sealed record RecoveredPage(
        PageKind Kind, int Shard, long Number, int Segment, long Offset, long[] Keys, long[] Locations, uint Moment);

    static IEnumerable<RecoveredPage> ReadSegment(PageFiles files, int id, TableManifest manifest, RowLayout layout, bool checksAll)
    {
        var segment = files.Get(id);
        string path = segment.File.Path;
        StoreException Fault(string detail, long? offset = null, ErrorKind kind = ErrorKind.ChecksumMismatch) =>
            new(kind, path, detail, offset);
        DiskFile file;
        try
        {
            file = segment.File.Lease();
        }
        catch (DiskException error) when (error.IsMissing)
        {
            throw Fault($"the file is missing; checkpoint {manifest.Version} names it", kind: ErrorKind.NotFound);
        }
        try
        {
            if (file.Length != segment.Length)
                throw Fault($"expected {segment.Length} bytes, as checkpoint {manifest.Version} says, found {file.Length}");
            var header = segment.File.Header(file);
            if (header.Store != manifest.Table)
                throw Fault($"expected a file of table {manifest.Table}, found one of {header.Store}", kind: ErrorKind.InvalidData);
            var index = SegmentFile.ReadFooter(file, header, out var footer) ?? throw Fault("its footer is damaged");
            if (footer!.BodyChecksum != segment.Checksum)
                throw Fault(
                    $"expected checksum {segment.Checksum:x8}, as checkpoint {manifest.Version} says, found"
                    + $" {footer.BodyChecksum:x8} in its footer");
            if (checksAll && new FrameWalk(file, header, 0, -1).Checksum(0, footer.Offset) is var found && found != footer.BodyChecksum)
                throw Fault($"the checksum of its bytes is {found:x8}, expected {footer.BodyChecksum:x8}: it is damaged");
            var start = new byte[FrameHeader.Length + FrameHeader.EntryLength + RowLayout.HeaderBytes];
            for (int i = 0; i < index.Count; i++)
            {
                long offset = index[i].Offset;
                if (file.Read(start, offset) < start.Length
                    || !FrameHeader.TryRead(start, header.Seed, header.BaseAddress + offset, out var frame)
                    || frame.Type != FrameType.Data)
                    throw Fault("the header of a page's frame is damaged", offset);
                long at = offset + FrameHeader.Length + FrameHeader.EntryLength;
                if (!PageHeader.TryRead(start.AsSpan(FrameHeader.Length + FrameHeader.EntryLength), header.Seed, out var page))
                    throw Fault("the header of a page is damaged", at);
                yield return ReadPage(file, page, frame, id, at, manifest, layout, Fault);
            }
        }
        finally
        {
            segment.File.Release();
            segment.File.Rest();
        }
    }

    static RecoveredPage ReadPage(
        DiskFile file, in PageHeader page, in FrameHeader frame, int id, long at, TableManifest manifest, RowLayout layout,
        Func<string, long?, ErrorKind, StoreException> fault)
    {
        bool isRows = page.Kind == PageKind.Rows;
        if (page.Shard >= manifest.Shards.Count)
            throw fault($"expected a shard below {manifest.Shards.Count}, found a page of shard {page.Shard}", at, ErrorKind.InvalidData);
        if (isRows && (page.Stride != layout.Stride || page.Count > layout.RowsPerPage
            || frame.PayloadLength != layout.FileBytes(page.Count)))
            throw fault(
                $"expected a page of at most {layout.RowsPerPage} rows of {layout.Stride} bytes, found {page.Count} of {page.Stride}", at,
                ErrorKind.InvalidData);
        if (isRows && page.Number >= manifest.Shards[page.Shard].Pages)
            throw fault(
                $"expected a page below {manifest.Shards[page.Shard].Pages} of shard {page.Shard}, as checkpoint {manifest.Version} says,"
                + $" found page {page.Number}", at, ErrorKind.InvalidData);
        if (page.Moment > manifest.Moment)
            throw fault(
                $"expected a page of moment {manifest.Moment} or before, as checkpoint {manifest.Version} says, found one of {page.Moment}",
                at, ErrorKind.InvalidData);
        if (page.Kind == PageKind.Sightings && (frame.PayloadLength != RowLayout.HeaderBytes + Admission.StateBytes
            || page.Count * RowLayout.KeyBytes != Admission.StateBytes))
            throw fault(
                $"expected {Admission.StateBytes} bytes of sightings, found a page of {frame.PayloadLength} bytes", at,
                ErrorKind.InvalidData);
        if (page.Kind == PageKind.Deletions && frame.PayloadLength != RowLayout.HeaderBytes + (page.Count * 2L * RowLayout.KeyBytes))
            throw fault($"expected {page.Count} deletions, found a page of {frame.PayloadLength} bytes", at, ErrorKind.InvalidData);
        var keys = new long[page.Count];
        var locations = page.Kind == PageKind.Deletions ? new long[page.Count] : [];
        if (!Read(file, keys, at + RowLayout.HeaderBytes, page.KeysChecksum)
            || !Read(file, locations, at + RowLayout.HeaderBytes + (page.Count * RowLayout.KeyBytes), page.LocationsChecksum))
            throw fault("the keys of a page are damaged: their checksum is wrong", at, ErrorKind.ChecksumMismatch);
        return new RecoveredPage(page.Kind, page.Shard, page.Number, id, at, keys, locations, page.Moment);
    }

    /// <summary>The deletions that a file has.</summary>
    public static IEnumerable<(int Shard, long Key, long Location)> ReadDeletions(
        PageFiles files, int id, TableManifest manifest, RowLayout layout) =>
        ReadSegment(files, id, manifest, layout, checksAll: false).Where(page => page.Kind == PageKind.Deletions)
            .SelectMany(page => page.Keys.Select((key, i) => (page.Shard, key, page.Locations[i])));

    static bool Read(DiskFile file, long[] numbers, long at, uint checksum)
    {
        var bytes = MemoryMarshal.AsBytes(numbers.AsSpan());
        if (file.Read(bytes, at) < bytes.Length || Crc32C.Compute(bytes) != checksum)
            return false;
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(numbers, numbers);
        return true;
    }

    /// <summary>The page with the highest number that has a key has its row, unless the key was deleted later.</summary>
    static void Rebuild(Shard shard, List<RecoveredPage> pages, RowLayout layout, PageFiles files)
    {
        const int ahead = 16;
        pages.Sort(static (one, other) =>
            (one.Number, one.Moment, one.Segment, one.Offset).CompareTo((other.Number, other.Moment, other.Segment, other.Offset)));
        // what the manifest claims is checked and not believed: the next page follows those that are there and what deletions speak of
        long first = pages.Where(page => page.Kind == PageKind.Rows).Select(page => page.Number).DefaultIfEmpty(0).Min();
        long end = pages.Select(page => page.Kind switch
        {
            PageKind.Rows => page.Number + 1,
            PageKind.Deletions => (page.Locations.Max() >> layout.PageShift) + 1,
            _ => 0,
        })
            .DefaultIfEmpty(0).Max();
        if (end - first > (1 << 24) + (pages.Count * 1024L))
            throw new StoreException(
                ErrorKind.InvalidData, files.Get(pages[0].Segment).File.Path,
                $"expected page numbers near each other in shard {shard.Number}, found {first} to {end - 1} for {pages.Count} pages");
        shard.Recover(Math.Min(first, end), end);
        var rows = pages.Where(page => page.Kind == PageKind.Rows).ToArray();
        for (int i = 0; i < rows.Length; i++)
        {
            var page = rows[i];
            // a page that was written again
            if (i + 1 < rows.Length && rows[i + 1].Number == page.Number)
                continue;
            shard.Recover(page.Number, page.Keys.Length, PageFiles.PlaceOf(page.Segment, page.Offset));
            long start = page.Number << layout.PageShift;
            for (int row = 0; row < page.Keys.Length; row++)
            {
                if (row + ahead < page.Keys.Length)
                    shard.PrefetchIndex(KeyIndex.Hash(page.Keys[row + ahead]));
                shard.Index.Set(KeyIndex.Hash(page.Keys[row]), page.Keys[row], start + row);
            }
        }
        foreach (var page in pages.Where(page => page.Kind == PageKind.Deletions))
        {
            for (int i = 0; i < page.Keys.Length; i++)
            {
                ulong hash = KeyIndex.Hash(page.Keys[i]);
                if (shard.Index.Find(hash, page.Keys[i]) is var location and not KeyIndex.None && location < page.Locations[i])
                    shard.Index.Remove(hash, page.Keys[i]);
            }
        }
        shard.CountLive();
    }
}
