namespace S3dlio.IO;

/// <summary>What goes wrong at a call.</summary>
/// <param name="Errno">The error that the call ends with.</param>
/// <param name="Written">Bytes of a write that arrive before it fails.</param>
readonly record struct DiskFault(int Errno, int Written = 0);

/// <summary>Passes calls on to another disk until its rule names a fault.
/// Calls are told by name, path and how many of that name there were.</summary>
sealed class FaultyDisk(Disk inner, Func<string, string, int, DiskFault?> rule) : Disk
{
    readonly Dictionary<string, int> _calls = [];

    /// <summary>How often each call was made.</summary>
    public IReadOnlyDictionary<string, int> Calls => _calls;

    public override ulong BootId => inner.BootId;

    public override bool IsLocal(string directory) => inner.IsLocal(directory);

    public override long DirectoryStamp(string directory) => inner.DirectoryStamp(directory);

    public override DiskFile Open(string path, DiskOpen mode)
    {
        Meet("open", path);
        return new File(this, inner.Open(path, mode));
    }

    public override void CreateDirectory(string path)
    {
        Meet("mkdir", path);
        inner.CreateDirectory(path);
    }

    public override IReadOnlyList<string> List(string directory)
    {
        Meet("list", directory);
        return inner.List(directory);
    }

    public override void Rename(string from, string to)
    {
        Meet("rename", to);
        inner.Rename(from, to);
    }

    public override void Unlink(string path)
    {
        Meet("unlink", path);
        inner.Unlink(path);
    }

    public override void SyncDirectory(string path)
    {
        Meet("syncdir", path);
        inner.SyncDirectory(path);
    }

    public override long FreeSpace(string directory) => inner.FreeSpace(directory);

    public override IDisposable? TryLock(string path, out string holder) => inner.TryLock(path, out holder);

    public override string? Holder(string path) => inner.Holder(path);

    void Meet(string call, string path)
    {
        if (Find(call, path) is { } fault)
            throw new DiskException(fault.Errno, path, call);
    }

    DiskFault? Find(string call, string path)
    {
        int count;
        lock (_calls)
            count = _calls[call] = _calls.GetValueOrDefault(call) + 1;
        // a rule may wait, and other threads call meanwhile
        return rule(call, path, count);
    }

    sealed class File(FaultyDisk disk, DiskFile inner) : DiskFile
    {
        public override string Path => inner.Path;

        public override long Length => inner.Length;

        public override long AllocatedLength => inner.AllocatedLength;

        public override int Read(Span<byte> buffer, long offset)
        {
            disk.Meet("read", Path);
            return inner.Read(buffer, offset);
        }

        public override void Write(ReadOnlySpan<byte> data, long offset)
        {
            if (disk.Find("write", Path) is { } fault)
            {
                inner.Write(data[..Math.Min(fault.Written, data.Length)], offset);
                throw new DiskException(fault.Errno, Path, "write");
            }
            inner.Write(data, offset);
        }

        public override void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset)
        {
            var whole = new byte[pieces.Sum(piece => piece.Length)];
            int at = 0;
            foreach (var piece in pieces)
            {
                piece.Span.CopyTo(whole.AsSpan(at));
                at += piece.Length;
            }
            Write(whole, offset);
        }

        public override void Flush()
        {
            if (disk.Find("flush", Path) is { } fault)
                throw new DiskException(fault.Errno, Path, "flush");
            inner.Flush();
        }

        public override void Allocate(long length)
        {
            disk.Meet("allocate", Path);
            inner.Allocate(length);
        }

        public override void PunchHole(long offset, long length)
        {
            disk.Meet("punch", Path);
            inner.PunchHole(offset, length);
        }

        public override void SetLength(long length)
        {
            disk.Meet("setlength", Path);
            inner.SetLength(length);
        }

        public override void Dispose() => inner.Dispose();
    }
}
