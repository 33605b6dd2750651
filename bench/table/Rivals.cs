using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FASTER.core;
using RocksDbSharp;
using Functions = Tsavorite.core.StoreFunctions<Tsavorite.core.SpanByteComparer, Tsavorite.core.DefaultRecordTriggers>;
using Ts = Tsavorite.core;

namespace S3dlio.Bench;

/// <summary>A row of 64 float32 numbers, as FASTER's values are structs.</summary>
[InlineArray(Length)]
struct Row
{
    public const int Length = 64;

    float _first;

    /// <summary>Adds <paramref name="input"/> to <paramref name="value"/>.</summary>
    public static void Sum(ref Row value, ref Row input)
    {
        var to = MemoryMarshal.Cast<float, System.Numerics.Vector<float>>((Span<float>)value);
        var from = MemoryMarshal.Cast<float, System.Numerics.Vector<float>>((ReadOnlySpan<float>)input);
        for (int i = 0; i < to.Length; i++)
            to[i] += from[i];
    }
}

/// <summary>A store of rows by key, as its own users would use it from one thread.</summary>
abstract class Rows : IDisposable
{
    public abstract void Put(ReadOnlySpan<long> keys, ReadOnlySpan<float> rows);

    public abstract void Get(ReadOnlySpan<long> keys, Span<float> rows);

    /// <summary>Adds a gradient to each row.</summary>
    public abstract void Add(ReadOnlySpan<long> keys, ReadOnlySpan<float> gradients);

    public abstract void Dispose();
}

sealed class FasterRows : Rows
{
    readonly IDevice _device;
    readonly FasterKV<long, Row> _store;
    readonly ClientSession<long, Row, Row, Row, Empty, IFunctions<long, Row, Row, Row, Empty>> _session;

    public FasterRows(string folder, long memory)
        : this(folder, memory, recovers: false, out _)
    {
    }

    /// <param name="seconds">Of the recovery and a first look.</param>
    public FasterRows(string folder, long memory, bool recovers, out double seconds)
    {
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        Directory.CreateDirectory(folder);
        _device = Devices.CreateLogDevice(Path.Combine(folder, "log"));
        _store = new FasterKV<long, Row>(new FasterKVSettings<long, Row>(folder)
        {
            LogDevice = _device,
            MemorySize = memory,
            PageSize = 1 << 20,
            SegmentSize = 1 << 28,
            IndexSize = 1 << 26,
            ConcurrencyControlMode = ConcurrencyControlMode.None,
        });
        if (recovers)
            _store.Recover();
        _session = _store.For<Row, Row, Empty>(new AddFunctions()).NewSession<IFunctions<long, Row, Row, Row, Empty>>(new AddFunctions());
        if (recovers)
            Get([7919], new float[Row.Length]);
        seconds = System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    public void Checkpoint()
    {
        var (isTaken, _) = _store.TakeFullCheckpointAsync(CheckpointType.FoldOver).AsTask().GetAwaiter().GetResult();
        if (!isTaken)
            throw new InvalidOperationException("FASTER made no checkpoint");
    }

    public override void Put(ReadOnlySpan<long> keys, ReadOnlySpan<float> rows)
    {
        var values = MemoryMarshal.Cast<float, Row>(rows);
        for (int i = 0; i < keys.Length; i++)
        {
            long key = keys[i];
            var value = values[i];
            _session.Upsert(ref key, ref value);
        }
    }

    public override void Get(ReadOnlySpan<long> keys, Span<float> rows)
    {
        var values = MemoryMarshal.Cast<float, Row>(rows);
        bool isPending = false;
        for (int i = 0; i < keys.Length; i++)
        {
            long key = keys[i];
            isPending |= _session.Read(ref key, ref values[i]).IsPending;
        }
        if (isPending)
            _session.CompletePending(wait: true);
    }

    public override void Add(ReadOnlySpan<long> keys, ReadOnlySpan<float> gradients)
    {
        var values = MemoryMarshal.Cast<float, Row>(gradients);
        bool isPending = false;
        for (int i = 0; i < keys.Length; i++)
        {
            long key = keys[i];
            var value = values[i];
            isPending |= _session.RMW(ref key, ref value).IsPending;
        }
        if (isPending)
            _session.CompletePending(wait: true);
    }

    public override void Dispose()
    {
        _session.Dispose();
        _store.Dispose();
        _device.Dispose();
    }

    sealed class AddFunctions : FunctionsBase<long, Row, Row, Row, Empty>
    {
        public override bool SingleReader(ref long key, ref Row input, ref Row value, ref Row output, ref ReadInfo info)
        {
            output = value;
            return true;
        }

        public override bool ConcurrentReader(ref long key, ref Row input, ref Row value, ref Row output, ref ReadInfo info)
        {
            output = value;
            return true;
        }

        public override bool InitialUpdater(ref long key, ref Row input, ref Row value, ref Row output, ref RMWInfo info)
        {
            value = input;
            return true;
        }

        public override bool CopyUpdater(ref long key, ref Row input, ref Row before, ref Row value, ref Row output, ref RMWInfo info)
        {
            value = before;
            Row.Sum(ref value, ref input);
            return true;
        }

        public override bool InPlaceUpdater(ref long key, ref Row input, ref Row value, ref Row output, ref RMWInfo info)
        {
            Row.Sum(ref value, ref input);
            return true;
        }
    }
}

/// <summary>Tsavorite, FASTER's successor: keys and values are bytes of the log's records.</summary>
sealed class TsavoriteRows : Rows
{
    readonly Ts.IDevice _device;
    readonly Ts.TsavoriteKV<Functions, Ts.SpanByteAllocator<Functions>> _store;
    readonly Ts.ClientSession<Key, Row, Row, Ts.Empty, AddFunctions, Functions, Ts.SpanByteAllocator<Functions>> _session;

    public TsavoriteRows(string folder, long memory)
    {
        Directory.CreateDirectory(folder);
        _device = Ts.Devices.CreateLogDevice(Path.Combine(folder, "log"), Ts.DeviceType.RandomAccess);
        _store = new(
            new Ts.KVSettings
            {
                LogDevice = _device,
                LogMemorySize = memory,
                PageSize = 1 << 20,
                SegmentSize = 1 << 28,
                IndexSize = 1 << 26,
                MaxInlineValueSize = 1024,
                CheckpointDir = folder,
            },
            new Functions(new Ts.SpanByteComparer(), null, Ts.DefaultRecordTriggers.Instance),
            static (settings, functions) => new(settings, functions));
        _session = _store.NewSession<Key, Row, Row, Ts.Empty, AddFunctions>(new AddFunctions());
    }

    public override void Put(ReadOnlySpan<long> keys, ReadOnlySpan<float> rows)
    {
        var context = _session.BasicContext;
        var bytes = MemoryMarshal.AsBytes(rows);
        for (int i = 0; i < keys.Length; i++)
            context.Upsert(new Key(keys[i]), bytes.Slice(i * Bytes, Bytes), default(Ts.Empty));
    }

    public override void Get(ReadOnlySpan<long> keys, Span<float> rows)
    {
        var context = _session.BasicContext;
        var values = MemoryMarshal.Cast<float, Row>(rows);
        bool isPending = false;
        for (int i = 0; i < keys.Length; i++)
            isPending |= context.Read(new Key(keys[i]), ref values[i], default(Ts.Empty)).IsPending;
        if (isPending)
            context.CompletePending(true);
    }

    public override void Add(ReadOnlySpan<long> keys, ReadOnlySpan<float> gradients)
    {
        var context = _session.BasicContext;
        var values = MemoryMarshal.Cast<float, Row>(gradients);
        bool isPending = false;
        for (int i = 0; i < keys.Length; i++)
        {
            var value = values[i];
            isPending |= context.RMW(new Key(keys[i]), ref value, default(Ts.Empty)).IsPending;
        }
        if (isPending)
            context.CompletePending(true);
    }

    public override void Dispose()
    {
        _session.Dispose();
        _store.Dispose();
        _device.Dispose();
    }

    const int Bytes = Row.Length * sizeof(float);

    readonly struct Key(long value) : Ts.IKey
    {
        readonly long _value = value;

        public bool IsPinned => false;

        public bool IsEmpty => false;

        public bool HasNamespace => false;

        /// <summary>Of this place on the stack: it is used within the call.</summary>
        public ReadOnlySpan<byte> KeyBytes =>
            MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(ref Unsafe.AsRef(in _value), 1));

        public ReadOnlySpan<byte> NamespaceBytes => [];
    }

    sealed class AddFunctions : Ts.SessionFunctionsBase<Row, Row, Ts.Empty>
    {
        static readonly Ts.RecordFieldInfo Fields = new() { KeySize = sizeof(long), ValueSize = Bytes };

        public override bool Reader<TSource>(in TSource record, ref Row input, ref Row output, ref Ts.ReadInfo info)
        {
            output = MemoryMarshal.Read<Row>(record.ValueSpan);
            return true;
        }

        public override bool InitialUpdater(
            ref Ts.LogRecord record, in Ts.RecordSizeInfo size, ref Row input, ref Row output, ref Ts.RMWInfo info) =>
            record.TrySetValueSpanAndPrepareOptionals(MemoryMarshal.AsBytes(new ReadOnlySpan<Row>(in input)), in size);

        public override bool CopyUpdater<TSource>(
            in TSource source, ref Ts.LogRecord record, in Ts.RecordSizeInfo size, ref Row input, ref Row output, ref Ts.RMWInfo info)
        {
            var sum = MemoryMarshal.Read<Row>(source.ValueSpan);
            Row.Sum(ref sum, ref input);
            return record.TrySetValueSpanAndPrepareOptionals(MemoryMarshal.AsBytes(new ReadOnlySpan<Row>(in sum)), in size);
        }

        public override bool InPlaceUpdater(ref Ts.LogRecord record, ref Row input, ref Row output, ref Ts.RMWInfo info)
        {
            Row.Sum(ref MemoryMarshal.AsRef<Row>(record.ValueSpan), ref input);
            return true;
        }

        public override Ts.RecordFieldInfo GetRMWInitialFieldInfo<TKey>(TKey key, ref Row input) => Fields;

        public override Ts.RecordFieldInfo GetRMWModifiedFieldInfo<TSource>(in TSource record, ref Row input) => Fields;

        public override Ts.RecordFieldInfo GetUpsertFieldInfo<TKey>(TKey key, ReadOnlySpan<byte> value, ref Row input) => Fields;
    }
}

sealed class RocksRows : Rows
{
    readonly RocksDb _store;

    public RocksRows(string folder, long memory)
    {
        var table = new BlockBasedTableOptions()
            .SetBlockCache(RocksDbSharp.Cache.CreateLru((ulong)memory)).SetFilterPolicy(BloomFilterPolicy.Create(10));
        var options = new DbOptions().SetCreateIfMissing().SetBlockBasedTableFactory(table).SetCompression(RocksDbSharp.Compression.No)
            .SetWriteBufferSize(64 << 20).IncreaseParallelism(2);
        _store = RocksDb.Open(options, folder);
    }

    public override void Put(ReadOnlySpan<long> keys, ReadOnlySpan<float> rows)
    {
        using var batch = new WriteBatch();
        var bytes = MemoryMarshal.AsBytes(rows);
        for (int i = 0; i < keys.Length; i++)
            batch.Put(KeyOf(keys[i]), bytes.Slice(i * Row.Length * sizeof(float), Row.Length * sizeof(float)).ToArray());
        _store.Write(batch, new WriteOptions().DisableWal(1));
    }

    public override void Get(ReadOnlySpan<long> keys, Span<float> rows)
    {
        var wanted = new byte[keys.Length][];
        for (int i = 0; i < wanted.Length; i++)
            wanted[i] = KeyOf(keys[i]);
        var found = _store.MultiGet(wanted);
        var bytes = MemoryMarshal.AsBytes(rows);
        for (int i = 0; i < found.Length; i++)
            found[i].Value?.CopyTo(bytes[(i * Row.Length * sizeof(float))..]);
    }

    public override void Add(ReadOnlySpan<long> keys, ReadOnlySpan<float> gradients)
    {
        var rows = new float[gradients.Length];
        Get(keys, rows);
        for (int i = 0; i < rows.Length; i++)
            rows[i] += gradients[i];
        Put(keys, rows);
    }

    public override void Dispose() => _store.Dispose();

    static byte[] KeyOf(long key) => BitConverter.GetBytes(System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(key));
}
