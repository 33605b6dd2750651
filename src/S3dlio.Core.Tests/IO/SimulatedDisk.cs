namespace S3dlio.IO;

/// <summary>The power was cut: raised by the call before which the simulated disk was told to stop.</summary>
sealed class PowerCutException() : Exception("the simulated power was cut");

/// <summary>
/// A disk in memory that knows what is durable. Writes, lengths and names wait in the order in which they were made until a flush of the
/// file or a sync of the directory; <see cref="Crash(Random)"/> keeps any subset of what waits: writes whole, absent or torn at sectors of
/// 512 bytes, lengths and directory entries one by one. All randomness comes from the seed.
/// </summary>
sealed class SimulatedDisk : Disk
{
    public const int Sector = 512;

    readonly Lock _gate = new();
    readonly Dictionary<string, Folder> _folders = [];
    readonly HashSet<string> _locks = [];
    long _inodes;
    bool _isOff;

    /// <summary>Calls that change something, so far.</summary>
    public int Steps { get; private set; }

    /// <summary>The power goes before this step (counted from 0) is made; null: never.</summary>
    public int? CutBefore { get; set; }

    /// <summary>Bytes that all files together may have; more is ENOSPC.</summary>
    public long Capacity { get; set; } = long.MaxValue;

    /// <summary>Flushes of files whose path contains this text fail with EIO, and what waited is dropped as the kernel drops it.</summary>
    public string? FailFlushOf { get; set; }

    public override ulong BootId => _boot;

    public override bool IsLocal(string directory) => true;

    // always a moment ago: whoever keeps a listing lists again
    public override long DirectoryStamp(string directory) => DateTime.UtcNow.Ticks;

    ulong _boot = 1;

    /// <summary>Pending operations, oldest first, files and directories together.</summary>
    readonly List<Waiting> _waiting = [];

    /// <summary>How many operations a crash could lose.</summary>
    public int WaitingCount => _waiting.Count;

    /// <summary>The power went or the process was killed: every call fails.</summary>
    public bool IsOff => _isOff;

    sealed class Inode(long id)
    {
        public long Id => id;
        public byte[] Durable = [];
        public byte[] Now = [];
    }

    sealed class Folder
    {
        public readonly Dictionary<string, Inode> Durable = [];
        public readonly Dictionary<string, Inode> Now = [];
    }

    /// <summary>One operation that no flush has covered yet. File operations have an inode; the others a folder.</summary>
    sealed record Waiting(Inode? File, Folder? Directory)
    {
        public long Offset { get; init; }
        public byte[]? Data { get; init; }
        public long? Length { get; init; }
        public string? Removed { get; init; }
        public string? Added { get; init; }
        public Inode? Target { get; init; }
    }

    public override DiskFile Open(string path, DiskOpen mode)
    {
        lock (_gate)
        {
            Check();
            var (folder, name) = Place(path);
            if (folder.Now.TryGetValue(name, out var inode))
            {
                if (mode == DiskOpen.Create)
                    throw new DiskException(Errno.EEXIST, path, "create");
                return new OpenFile(this, inode, path);
            }
            if (mode is DiskOpen.Read or DiskOpen.Write)
                throw new DiskException(Errno.ENOENT, path, "open");
            Step();
            inode = new Inode(++_inodes);
            folder.Now[name] = inode;
            _waiting.Add(new Waiting(null, folder) { Added = name, Target = inode });
            return new OpenFile(this, inode, path);
        }
    }

    public override void CreateDirectory(string path)
    {
        lock (_gate)
        {
            Check();
            // directories themselves are durable at once: what is tested here is what they hold
            _folders.TryAdd(path.TrimEnd('/'), new Folder());
        }
    }

    public override IReadOnlyList<string> List(string directory)
    {
        lock (_gate)
        {
            Check();
            return _folders.TryGetValue(directory.TrimEnd('/'), out var folder)
                ? [.. folder.Now.Keys, .. FoldersBelow(directory.TrimEnd('/'))]
                : throw new DiskException(Errno.ENOENT, directory, "list the directory");
        }
    }

    IEnumerable<string> FoldersBelow(string directory) =>
        _folders.Keys.Where(path => Path.GetDirectoryName(path) == directory).Select(path => Path.GetFileName(path));

    public override void Rename(string from, string to)
    {
        lock (_gate)
        {
            Check();
            var (folder, name) = Place(from);
            var (same, target) = Place(to);
            Assert(ReferenceEquals(folder, same), "renames stay in one directory");
            if (!folder.Now.TryGetValue(name, out var inode))
                throw new DiskException(Errno.ENOENT, from, "rename");
            Step();
            folder.Now.Remove(name);
            folder.Now[target] = inode;
            _waiting.Add(new Waiting(null, folder) { Removed = name, Added = target, Target = inode });
        }
    }

    public override void Unlink(string path)
    {
        lock (_gate)
        {
            Check();
            var (folder, name) = Place(path);
            if (!folder.Now.ContainsKey(name))
                throw new DiskException(Errno.ENOENT, path, "delete");
            Step();
            folder.Now.Remove(name);
            _waiting.Add(new Waiting(null, folder) { Removed = name });
        }
    }

    public override void SyncDirectory(string path)
    {
        lock (_gate)
        {
            Check();
            if (!_folders.TryGetValue(path.TrimEnd('/'), out var folder))
                throw new DiskException(Errno.ENOENT, path, "flush the directory");
            Step();
            foreach (var one in _waiting.Where(one => one.Directory == folder))
                Apply(one);
            _waiting.RemoveAll(one => one.Directory == folder);
        }
    }

    public override long FreeSpace(string directory) => Capacity;

    public override IDisposable? TryLock(string path, out string holder)
    {
        Open(path, DiskOpen.WriteOrCreate).Dispose();
        lock (_gate)
        {
            holder = "the simulated process";
            return _locks.Add(path) ? new Unlock(this, path) : null;
        }
    }

    public override string? Holder(string path)
    {
        lock (_gate)
            return _locks.Contains(path) ? "the simulated process" : null;
    }

    /// <summary>The machine after a power cut: what was durable, and any part of what was not.</summary>
    public SimulatedDisk Crash(Random random) => After(one =>
    {
        if (one.Data is null)
            return random.Next(2) == 0 ? [] : [true];
        int first = (int)(one.Offset / Sector), last = (int)((one.Offset + Math.Max(one.Data.Length, 1) - 1) / Sector);
        var kept = new bool[last - first + 1];
        switch (random.Next(3))
        {
            case 0:
                break;
            case 1:
                Array.Fill(kept, true);
                break;
            default:
                for (int i = 0; i < kept.Length; i++)
                    kept[i] = random.Next(2) == 0;
                break;
        }
        return kept;
    }, random);

    /// <summary>Every image that a power cut can leave when operations are kept whole or lost whole;
    /// there are 2 to the power of <see cref="WaitingCount"/>.</summary>
    public IEnumerable<SimulatedDisk> Crashes()
    {
        Assert(_waiting.Count <= 16, "too many operations to try all subsets");
        for (int mask = 0; mask < 1 << _waiting.Count; mask++)
            yield return CrashTo(mask);
    }

    /// <summary>The image that keeps the operations whose bits are set, each whole; those beyond 31 go with the last bit.</summary>
    public SimulatedDisk CrashTo(int mask)
    {
        int index = 0;
        return After(one => ((mask >> Math.Min(index++, 31)) & 1) == 0 ? [] : one.Data is null ? [true] : Whole(one), null);

        static bool[] Whole(Waiting one)
        {
            var kept = new bool[((one.Offset + Math.Max(one.Data!.Length, 1) - 1) / Sector) - (one.Offset / Sector) + 1];
            Array.Fill(kept, true);
            return kept;
        }
    }

    /// <summary>The machine after the process was killed: the page cache lives on and nothing more is durable than before.</summary>
    public SimulatedDisk Kill()
    {
        lock (_gate)
        {
            _isOff = true;
            var next = new SimulatedDisk { _inodes = _inodes, _boot = _boot, Capacity = Capacity };
            foreach (var (path, folder) in _folders)
                next._folders[path] = folder;
            next._waiting.AddRange(_waiting);
            return next;
        }
    }

    SimulatedDisk After(Func<Waiting, bool[]> keep, Random? random)
    {
        lock (_gate)
        {
            _isOff = true;
            var next = new SimulatedDisk { _inodes = _inodes, _boot = _boot + 1, Capacity = Capacity };
            Dictionary<Inode, Inode> copies = [];
            Inode Copy(Inode of)
            {
                if (!copies.TryGetValue(of, out var copy))
                    copies[of] = copy = new Inode(of.Id) { Durable = [.. of.Durable] };
                return copy;
            }
            Dictionary<Folder, Folder> folders = [];
            foreach (var (path, folder) in _folders)
            {
                var copy = folders[folder] = next._folders[path] = new Folder();
                foreach (var (name, inode) in folder.Durable)
                    copy.Durable[name] = Copy(inode);
            }
            foreach (var one in _waiting)
            {
                var kept = keep(one);
                if (one.Directory is not null)
                {
                    if (kept.Length > 0)
                        Apply(one with { Directory = folders[one.Directory], Target = one.Target is null ? null : Copy(one.Target) });
                    continue;
                }
                var file = Copy(one.File!);
                if (one.Data is null)
                {
                    if (kept.Length > 0)
                        file.Durable = Sized(file.Durable, one.Length!.Value);
                    continue;
                }
                long end = file.Durable.Length;
                for (int i = 0; i < kept.Length; i++)
                {
                    if (!kept[i])
                        continue;
                    long from = Math.Max(one.Offset, ((one.Offset / Sector) + i) * Sector);
                    long to = Math.Min(one.Offset + one.Data.Length, ((one.Offset / Sector) + i + 1) * Sector);
                    if (to > file.Durable.Length)
                        file.Durable = Sized(file.Durable, to);
                    one.Data.AsSpan((int)(from - one.Offset), (int)(to - from)).CopyTo(file.Durable.AsSpan((int)from));
                }
                // a length that grew may be lost though bytes beyond it were written
                if (random is not null && file.Durable.Length > end && random.Next(4) == 0)
                    file.Durable = Sized(file.Durable, end);
            }
            foreach (var inode in copies.Values)
                inode.Now = [.. inode.Durable];
            foreach (var folder in folders.Values)
            {
                foreach (var (name, inode) in folder.Durable)
                    folder.Now[name] = inode;
            }
            return next;
        }
    }

    static void Apply(Waiting one)
    {
        if (one.Directory is { } folder)
        {
            if (one.Removed is not null && (one.Target is null || folder.Durable.GetValueOrDefault(one.Removed) == one.Target))
                folder.Durable.Remove(one.Removed);
            if (one.Added is not null)
                folder.Durable[one.Added] = one.Target!;
            return;
        }
        var file = one.File!;
        if (one.Data is null)
        {
            file.Durable = Sized(file.Durable, one.Length!.Value);
            return;
        }
        if (file.Durable.Length < one.Offset + one.Data.Length)
            file.Durable = Sized(file.Durable, one.Offset + one.Data.Length);
        one.Data.CopyTo(file.Durable.AsSpan((int)one.Offset));
    }

    static byte[] Sized(byte[] from, long length)
    {
        var to = new byte[length];
        from.AsSpan(0, (int)Math.Min(length, from.Length)).CopyTo(to);
        return to;
    }

    (Folder Folder, string Name) Place(string path)
    {
        int slash = path.LastIndexOf('/');
        return _folders.TryGetValue(path[..slash], out var folder)
            ? (folder, path[(slash + 1)..])
            : throw new DiskException(Errno.ENOENT, path, "open");
    }

    void Check()
    {
        if (_isOff)
            throw new PowerCutException();
    }

    void Step()
    {
        if (CutBefore == Steps)
        {
            _isOff = true;
            throw new PowerCutException();
        }
        Steps++;
    }

    static void Assert(bool holds, string what)
    {
        if (!holds)
            throw new InvalidOperationException(what);
    }

    sealed class Unlock(SimulatedDisk disk, string path) : IDisposable
    {
        public void Dispose()
        {
            lock (disk._gate)
                disk._locks.Remove(path);
        }
    }

    sealed class OpenFile(SimulatedDisk disk, Inode inode, string path) : DiskFile
    {
        public override string Path => path;

        public override long Length => Locked(() => inode.Now.Length);

        public override long AllocatedLength => Length;

        public override int Read(Span<byte> buffer, long offset)
        {
            lock (disk._gate)
            {
                disk.Check();
                if (offset >= inode.Now.Length)
                    return 0;
                int count = (int)Math.Min(buffer.Length, inode.Now.Length - offset);
                inode.Now.AsSpan((int)offset, count).CopyTo(buffer);
                return count;
            }
        }

        public override void Write(ReadOnlySpan<byte> data, long offset)
        {
            lock (disk._gate)
            {
                disk.Check();
                disk.Step();
                if (inode.Now.Length < offset + data.Length)
                    Grow(offset + data.Length);
                data.CopyTo(inode.Now.AsSpan((int)offset));
                disk._waiting.Add(new Waiting(inode, null) { Offset = offset, Data = data.ToArray() });
            }
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
            lock (disk._gate)
            {
                disk.Check();
                disk.Step();
                bool fails = disk.FailFlushOf is { } text && path.Contains(text, StringComparison.Ordinal);
                if (!fails)
                {
                    foreach (var one in disk._waiting.Where(one => one.File == inode))
                        Apply(one);
                }
                disk._waiting.RemoveAll(one => one.File == inode);
                if (fails)
                    throw new DiskException(Errno.EIO, path, "flush");
            }
        }

        public override void Allocate(long length)
        {
            lock (disk._gate)
            {
                disk.Check();
                if (length <= inode.Now.Length)
                    return;
                disk.Step();
                Grow(length);
                disk._waiting.Add(new Waiting(inode, null) { Length = length });
            }
        }

        public override void PunchHole(long offset, long length)
        {
            long end = Math.Min(offset + length, Length);
            if (end > offset)
                Write(new byte[end - offset], offset);
        }

        public override void SetLength(long length)
        {
            lock (disk._gate)
            {
                disk.Check();
                disk.Step();
                if (length > inode.Now.Length)
                    Grow(length);
                else
                    inode.Now = Sized(inode.Now, length);
                disk._waiting.Add(new Waiting(inode, null) { Length = length });
            }
        }

        public override void Dispose()
        {
            // nothing is held
        }

        void Grow(long length)
        {
            long used = disk._folders.Values.SelectMany(folder => folder.Now.Values).Sum(file => (long)file.Now.Length);
            if (used + length - inode.Now.Length > disk.Capacity)
                throw new DiskException(Errno.ENOSPC, path, "write");
            inode.Now = Sized(inode.Now, length);
        }

        T Locked<T>(Func<T> body)
        {
            lock (disk._gate)
            {
                disk.Check();
                return body();
            }
        }
    }
}
