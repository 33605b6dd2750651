using DotNext.Net.Cluster.Consensus.Raft;
using DotNext.Net.Cluster.Consensus.Raft.StateMachine;
using RocksDbSharp;
using Faster = FASTER.core;
using Ts = Tsavorite.core;

namespace S3dlio.Bench;

/// <summary>A log in a folder of its own, as its own users would use it from one thread.</summary>
abstract class RivalLog : IDisposable
{
    public abstract void Append(ReadOnlySpan<byte> record);

    /// <summary>Returns when what was appended is where the log takes it to be durable.</summary>
    public abstract void Commit();

    public abstract void Dispose();

    /// <summary>Reads all committed records and returns their bytes; not every log is asked for it.</summary>
    public virtual long Scan() => throw new NotSupportedException();
}

/// <summary>FasterLog with a checksum of each record. Its device writes through and flushes nothing.</summary>
sealed class FasterRecords : RivalLog
{
    readonly Faster.IDevice _device;
    readonly Faster.FasterLog _log;

    public FasterRecords(string folder)
    {
        Directory.CreateDirectory(folder);
        _device = Faster.Devices.CreateLogDevice(Path.Combine(folder, "log"));
        _log = new Faster.FasterLog(new Faster.FasterLogSettings(folder)
        {
            LogDevice = _device,
            LogChecksum = Faster.LogChecksumType.PerEntry,
            PageSizeBits = 22,
            MemorySizeBits = 26,
        });
    }

    public override void Append(ReadOnlySpan<byte> record) => _log.Enqueue(record);

    public override void Commit() => _log.Commit(true);

    public override long Scan()
    {
        long found = 0;
        using var scan = _log.Scan(_log.BeginAddress, _log.CommittedUntilAddress);
        while (scan.GetNext(System.Buffers.MemoryPool<byte>.Shared, out var owner, out int length, out _, out _))
        {
            found += length;
            owner.Dispose();
        }
        return found;
    }

    public override void Dispose()
    {
        _log.Dispose();
        _device.Dispose();
    }
}

/// <summary>Tsavorite's log, FasterLog's successor, in the same way.</summary>
sealed class TsavoriteRecords : RivalLog
{
    readonly Ts.IDevice _device;
    readonly Ts.TsavoriteLog _log;

    public TsavoriteRecords(string folder)
    {
        Directory.CreateDirectory(folder);
        _device = Ts.Devices.CreateLogDevice(Path.Combine(folder, "log"));
        _log = new Ts.TsavoriteLog(new Ts.TsavoriteLogSettings(folder)
        {
            LogDevice = _device,
            LogChecksum = Ts.LogChecksumType.PerEntry,
            PageSizeBits = 22,
            MemorySizeBits = 26,
        });
    }

    public override void Append(ReadOnlySpan<byte> record) => _log.Enqueue(record);

    public override void Commit() => _log.Commit(true);

    public override long Scan()
    {
        long found = 0;
        using var scan = _log.Scan(_log.BeginAddress, _log.CommittedUntilAddress);
        while (scan.GetNext(System.Buffers.MemoryPool<byte>.Shared, out var owner, out int length, out _, out _))
        {
            found += length;
            owner.Dispose();
        }
        return found;
    }

    public override void Dispose()
    {
        _log.Dispose();
        _device.Dispose();
    }
}

/// <summary>RocksDB's write-ahead log: a put for each record, the last one of a commit flushed.</summary>
sealed class RocksRecords : RivalLog
{
    readonly RocksDb _store;
    readonly WriteOptions _flushed = new WriteOptions().SetSync(true), _plain = new();
    readonly List<byte[]> _waiting = [];
    long _number;

    public RocksRecords(string folder) =>
        _store = RocksDb.Open(new DbOptions().SetCreateIfMissing().SetCompression(RocksDbSharp.Compression.No), folder);

    public override void Append(ReadOnlySpan<byte> record) => _waiting.Add(record.ToArray());

    public override void Commit()
    {
        for (int i = 0; i < _waiting.Count; i++)
        {
            byte[] key = BitConverter.GetBytes(System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(_number++));
            _store.Put(key, _waiting[i], null, i == _waiting.Count - 1 ? _flushed : _plain);
        }
        _waiting.Clear();
    }

    public override void Dispose() => _store.Dispose();
}

/// <summary>DotNext's WriteAheadLog, which flushes when it commits.</summary>
sealed class DotNextRecords : RivalLog
{
    readonly WriteAheadLog _log;
    long _last;

    public DotNextRecords(string folder)
    {
        Directory.CreateDirectory(folder);
        var options = new WriteAheadLog.Options
        {
            Location = folder,
            HashAlgorithm = WriteAheadLog.IntegrityHashAlgorithm.Crc32,
        };
        _log = new WriteAheadLog(options, IStateMachine.CreateNoOp(0));
        _log.InitializeAsync().GetAwaiter().GetResult();
    }

    public override void Append(ReadOnlySpan<byte> record) =>
        _last = Wait(_log.AppendAsync(new BinaryLogEntry { Term = 1, Content = record.ToArray() }));

    public override void Commit()
    {
        Wait(_log.CommitAsync(_last));
        _log.FlushAsync().GetAwaiter().GetResult();
    }

    public override void Dispose() => _log.DisposeAsync().AsTask().GetAwaiter().GetResult();

    static long Wait(ValueTask<long> call) => call.IsCompleted ? call.GetAwaiter().GetResult() : call.AsTask().GetAwaiter().GetResult();
}
