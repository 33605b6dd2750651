using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;

namespace S3dlio.Table;

/// <summary>A file of pages. It is named by the folder of the opening that wrote it, so no two files ever share a name.</summary>
sealed class TableSegment(Disk disk, string directory, string folder, long firstPage) : IDisposable
{
    public SegmentFile File { get; } = new(disk, $"{directory}/{folder}", firstPage);

    /// <summary>Relative to the table's directory.</summary>
    public string Name => $"{folder}/{SegmentWriter.NameOf(firstPage)}";

    /// <summary>Of the file, once it is sealed.</summary>
    public long Length { get; set; }

    /// <summary>CRC32C of the bytes before the footer, once it is sealed.</summary>
    public uint Checksum { get; set; }

    public bool IsSealed { get; set; }

    /// <summary>Rows of all its pages, those included that later pages replace.</summary>
    public long Rows { get; private set; }

    /// <summary>The lowest page number of each shard that it has pages of.</summary>
    public Dictionary<int, long> OldestPages { get; } = [];

    /// <summary>The latest moment of its pages.</summary>
    public uint Moment { get; private set; }

    /// <summary>Notes a page of rows.</summary>
    public void Note(int shard, long page, int count, uint moment)
    {
        Rows += count;
        OldestPages[shard] = Math.Min(page, OldestPages.GetValueOrDefault(shard, long.MaxValue));
        Moment = Math.Max(Moment, moment);
    }

    public void Dispose() => File.Dispose();
}

/// <summary>
/// The pages that were written, each a frame of a segment. A place is the number of the segment and where the page begins in it. Pages of
/// the checkpoint under way and pages of the next one never come into the same file. Appends come from one thread at a time; reads from
/// any.
/// </summary>
sealed class PageFiles(Disk disk, string directory, Guid table, long segmentSize) : IDisposable
{
    const int OffsetBits = 40, MostOpen = 256;

    readonly List<TableSegment?> _segments = [];
    readonly FrameBuilder _frame = new(0);
    readonly ReadOnlyMemory<byte>[] _pieces = new ReadOnlyMemory<byte>[1];
    Growing _growing = new(), _spare = new();
    Exception? _poison;

    /// <summary>A line of files, of which the last one grows.</summary>
    sealed class Growing
    {
        public string Folder { get; } = $"rows-{Guid.NewGuid():N}"[..13];

        public SegmentWriter? Writer { get; set; }

        /// <summary>Number of the file that grows.</summary>
        public int Segment { get; set; }

        public long Pages { get; set; }

        public long Files { get; set; }

        public long Address { get; set; }

        public uint LastFooter { get; set; }
    }

    public uint Seed { get; } = SegmentHeader.SeedOf(table);

    public static int SegmentOf(long place) => (int)(place >> OffsetBits);

    public static long OffsetOf(long place) => place & ((1L << OffsetBits) - 1);

    public static long PlaceOf(int segment, long offset) => ((long)segment << OffsetBits) | offset;

    /// <summary>Those that are there, by number.</summary>
    public IReadOnlyList<TableSegment?> Segments
    {
        get
        {
            lock (_segments)
                return [.. _segments];
        }
    }

    /// <summary>Takes a file that a manifest names.</summary>
    public int Add(TableSegment segment)
    {
        lock (_segments)
        {
            _segments.Add(segment);
            return _segments.Count - 1;
        }
    }

    /// <summary>
    /// From now on pages of the next checkpoint go to files of their own, until <see cref="End"/>. What an earlier checkpoint that failed
    /// left open there is ended first.
    /// </summary>
    public void Begin() => SealOrPoison(_spare);

    /// <summary>The checkpoint was made, or will not be: pages go on where those of the next one are.</summary>
    public void End() => (_growing, _spare) = (_spare, _growing);

    /// <summary>Writes a page. It is durable once <see cref="Seal"/> returned.</summary>
    /// <param name="page">Its bytes.</param>
    /// <param name="isOfNext">True: it belongs to the checkpoint after the one that is under way.</param>
    /// <exception cref="DiskException">No room: the call can be repeated. Others end this table's writing for good.</exception>
    public long Append(ReadOnlyMemory<byte> page, bool isOfNext = false)
    {
        ThrowIfPoisoned();
        var to = isOfNext ? _spare : _growing;
        try
        {
            _frame.Clear();
            _frame.Note((uint)page.Length, Crc32C.Compute(page.Span));
            long length = FrameHeader.Padded(FrameHeader.Length + FrameHeader.EntryLength + page.Length, 8);
            if (to.Writer is { HasFrames: true } full && !full.Fits(length, segmentSize))
                SealWriter(to);
            var writer = to.Writer ??= NewWriter(to, length);
            writer.Reserve(length, segmentSize);
            long offset = writer.Offset + FrameHeader.Length + FrameHeader.EntryLength;
            _pieces[0] = page;
            writer.Write(Like(to.Pages), _frame, _pieces, page.Length);
            to.Pages++;
            return PlaceOf(to.Segment, offset);
        }
        catch (DiskException error) when (!error.IsOutOfSpace)
        {
            _poison = error;
            throw;
        }
        finally
        {
            _pieces[0] = default;
        }
    }

    /// <summary>Ends the file that grows; all pages but those of the next checkpoint are durable then.</summary>
    public void Seal() => SealOrPoison(_growing);

    /// <summary>The lowest page number of a shard in any file; <see cref="long.MaxValue"/>: none.</summary>
    public long OldestPage(int shard)
    {
        lock (_segments)
            return _segments.Min(one => one?.OldestPages.GetValueOrDefault(shard, long.MaxValue)) ?? long.MaxValue;
    }

    void SealOrPoison(Growing one)
    {
        ThrowIfPoisoned();
        try
        {
            SealWriter(one);
        }
        catch (DiskException error)
        {
            // what a failed flush left behind is unknown, and a later success would prove nothing
            _poison = error;
            throw;
        }
    }

    /// <summary>Fills the buffer with bytes of a segment, or as far as the file goes.</summary>
    public int Read(int segment, long offset, Span<byte> buffer)
    {
        var from = Get(segment);
        var file = from.File.Lease();
        try
        {
            return file.Read(buffer, offset);
        }
        finally
        {
            from.File.Release();
            CloseSome(segment);
        }
    }

    public TableSegment Get(int segment)
    {
        lock (_segments)
            return _segments[segment] ?? throw new ObjectDisposedException(nameof(TableSegment));
    }

    public bool IsThere(int segment)
    {
        lock (_segments)
            return _segments[segment] is not null;
    }

    /// <summary>Removes files that no checkpoint names and no row lies in.</summary>
    public void Remove(IEnumerable<int> segments)
    {
        foreach (int number in segments)
        {
            TableSegment segment;
            lock (_segments)
            {
                segment = _segments[number]!;
                _segments[number] = null;
            }
            segment.Dispose();
            Delete(segment.Name);
        }
    }

    /// <summary>Unlinks a file; one that is gone is fine.</summary>
    public void Delete(string name)
    {
        try
        {
            disk.Unlink($"{directory}/{name}");
        }
        catch (DiskException error) when (error.IsMissing)
        {
            // an earlier opening began to remove it
        }
    }

    public void Dispose()
    {
        _growing.Writer?.Dispose();
        _spare.Writer?.Dispose();
        lock (_segments)
        {
            foreach (var one in _segments)
                one?.Dispose();
        }
    }

    /// <summary>Ends writing for good.</summary>
    public void Poison(Exception error) => _poison ??= error;

    void ThrowIfPoisoned()
    {
        if (_poison is not null)
            throw new PoisonedException(_poison);
    }

    static FrameHeader Like(long page) => new()
    {
        Type = FrameType.Data,
        FirstRecord = page,
        SyncedTo = 0,
        Epoch = 1,
        Time = SegmentHeader.Now(),
    };

    SegmentWriter NewWriter(Growing to, long first)
    {
        if (to.Files == 0)
        {
            disk.CreateDirectory($"{directory}/{to.Folder}");
            disk.SyncDirectory(directory);
        }
        var header = new SegmentHeader
        {
            Store = table,
            Number = to.Files,
            FirstRecord = to.Pages,
            BaseAddress = to.Address,
            Created = SegmentHeader.Now(),
            Alignment = 8,
            RecordSize = 0,
            PreviousFooter = to.LastFooter,
            Json = """{"kind":"table"}""",
        };
        var writer = SegmentWriter.Prepare(disk, $"{directory}/{to.Folder}", header, Math.Min(segmentSize, SegmentHeader.Length + first));
        writer.Publish();
        to.Files++;
        to.Segment = Add(new TableSegment(disk, directory, to.Folder, header.FirstRecord) { Length = SegmentHeader.Length });
        return writer;
    }

    void SealWriter(Growing one)
    {
        if (one.Writer is not { } writer)
            return;
        var (checksum, end) = writer.Seal(Like(one.Pages), one.Pages);
        var segment = Get(one.Segment);
        var footer = SegmentFile.ReadFooter(writer.File, writer.Header, out var summary) is null ? null : summary;
        segment.Length = writer.File.Length;
        segment.Checksum = footer?.BodyChecksum ?? throw new DiskException(Errno.EIO, writer.File.Path, "read back the footer of");
        segment.IsSealed = true;
        (one.LastFooter, one.Address) = (checksum, end);
        writer.Dispose();
        one.Writer = null;
    }

    void CloseSome(int used)
    {
        // descriptors are few; the oldest files are the coldest
        if (used < MostOpen)
            return;
        lock (_segments)
        {
            int open = 0;
            for (int i = _segments.Count - 1; i >= 0; i--)
            {
                if (_segments[i] is { File.IsOpen: true } one && i != used && ++open >= MostOpen)
                    one.File.Rest();
            }
        }
    }
}

/// <summary>Pages cannot be written any more: an earlier write or flush failed.</summary>
sealed class PoisonedException(Exception cause) : Exception("an earlier write failed", cause);
