using System.Collections.Concurrent;
using System.Numerics;

namespace S3dlio.Table;

/// <summary>
/// The keys of a batch by shard: what a call works out before it takes any lock. For updates each key stands once, at its first position,
/// and the gradients of all its positions are summed in their order.
/// </summary>
sealed class BatchPlan
{
    const int MostPooled = 8;

    static readonly ConcurrentQueue<BatchPlan> Pool = new();

    ulong[] _hashes = [];
    int[] _order = [], _starts = [], _heads = [], _sumOf = [];
    float[] _sums = [];
    long[] _fetchedFrom = [];
    int[] _fetchedAt = [];
    byte[] _rows = [];
    int _keys, _shards, _fetched, _stride;

    public List<RowMiss> Misses { get; } = [];

    public ReadOnlySpan<ulong> Hashes => _hashes.AsSpan(0, _keys);

    /// <summary>How many keys the shards have to see.</summary>
    public int Count { get; private set; }

    /// <summary>The positions of a shard's keys, in the order of the batch.</summary>
    public ReadOnlySpan<int> Of(int shard) => _order.AsSpan(_starts[shard], _starts[shard + 1] - _starts[shard]);

    /// <summary>A plan to look keys up: every position counts.</summary>
    public static BatchPlan ForLookup(ReadOnlySpan<long> keys, int shards)
    {
        var plan = Rent(keys, shards);
        plan.Group(keys.Length, null);
        return plan;
    }

    /// <summary>A plan to change rows: each key once. What comes later in the batch wins, or is summed.</summary>
    /// <param name="keys">Of the batch.</param>
    /// <param name="shards">Of the table.</param>
    /// <param name="lastWins">True: a key stands at its last position. False: at its first.</param>
    /// <param name="gradients">One for each position, to be summed; empty when there is nothing to sum.</param>
    /// <param name="dimension">Of a gradient.</param>
    public static BatchPlan ForUpdate(ReadOnlySpan<long> keys, int shards, bool lastWins, ReadOnlySpan<float> gradients, int dimension)
    {
        var plan = Rent(keys, shards);
        plan.Unite(keys, lastWins, gradients, dimension);
        return plan;
    }

    /// <summary>The gradient of the key at this position.</summary>
    public ReadOnlySpan<float> Gradient(int position, ReadOnlySpan<float> gradients, int dimension) =>
        _sumOf[position] is var sum && sum < 0
        ? gradients.Slice(position * dimension, dimension)
        : _sums.AsSpan(sum * dimension, dimension);

    /// <summary>Whether the row at this place of a file was fetched for the position.</summary>
    public bool HasFetched(int position, long place) => _fetched > 0 && _fetchedFrom[position] == place;

    /// <summary>The row that was fetched.</summary>
    public ReadOnlySpan<byte> Fetched(int position, long place) => HasFetched(position, place)
        ? _rows.AsSpan(_fetchedAt[position] * _stride, _stride)
        : throw new InvalidOperationException("a row was neither in memory nor fetched");

    /// <summary>Keeps a row that lies in a file, until the plan is returned.</summary>
    public void Fetch(int position, long place, ReadOnlySpan<byte> row)
    {
        if (_fetched == 0)
        {
            if (_fetchedFrom.Length < _keys)
                (_fetchedFrom, _fetchedAt) = (new long[_hashes.Length], new int[_hashes.Length]);
            _fetchedFrom.AsSpan(0, _keys).Fill(KeyIndex.None);
            _stride = row.Length;
        }
        int at = _fetchedFrom[position] == KeyIndex.None ? _fetched++ : _fetchedAt[position];
        long needed = (long)(at + 1) * _stride;
        if (needed > _rows.Length)
            Array.Resize(ref _rows, checked((int)Math.Max(needed, Math.Min(Array.MaxLength, 2L * _rows.Length))));
        row.CopyTo(_rows.AsSpan(at * _stride));
        (_fetchedFrom[position], _fetchedAt[position]) = (place, at);
    }

    public void Return()
    {
        Misses.Clear();
        _fetched = 0;
        // what a huge batch needed is not kept
        if (Pool.Count < MostPooled && _hashes.Length <= 1 << 20 && _sums.Length <= 1 << 22 && _rows.Length <= 1 << 24)
            Pool.Enqueue(this);
    }

    static BatchPlan Rent(ReadOnlySpan<long> keys, int shards)
    {
        var plan = Pool.TryDequeue(out var kept) ? kept : new BatchPlan();
        (plan._keys, plan._shards) = (keys.Length, shards);
        if (plan._hashes.Length < keys.Length)
        {
            int length = (int)Math.Min(Array.MaxLength, BitOperations.RoundUpToPowerOf2((uint)keys.Length));
            (plan._hashes, plan._order) = (new ulong[length], new int[length]);
        }
        if (plan._starts.Length < shards + 1)
            plan._starts = new int[shards + 1];
        for (int i = 0; i < keys.Length; i++)
            plan._hashes[i] = KeyIndex.Hash(keys[i]);
        return plan;
    }

    /// <summary>Sorts positions by shard, in their order.</summary>
    void Group(int count, bool[]? isLeft)
    {
        Span<int> next = stackalloc int[_shards + 1];
        next.Clear();
        for (int i = 0; i < count; i++)
        {
            if (isLeft is null || !isLeft[i])
                next[KeyIndex.ShardOf(_hashes[i], _shards) + 1]++;
        }
        for (int shard = 0; shard < _shards; shard++)
            next[shard + 1] += next[shard];
        next.CopyTo(_starts);
        Count = next[_shards];
        for (int i = 0; i < count; i++)
        {
            if (isLeft is null || !isLeft[i])
                _order[next[KeyIndex.ShardOf(_hashes[i], _shards)]++] = i;
        }
    }

    void Unite(ReadOnlySpan<long> keys, bool lastWins, ReadOnlySpan<float> gradients, int dimension)
    {
        int slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, Math.Min(keys.Length * 2L, 1 << 30)));
        if (_heads.Length < slots)
            _heads = new int[slots];
        var heads = _heads.AsSpan(0, slots);
        heads.Clear();
        if (_sumOf.Length < keys.Length)
            _sumOf = new int[_hashes.Length];
        bool[]? isLeft = null;
        int sums = 0;
        for (int i = 0; i < keys.Length; i++)
        {
            _sumOf[i] = -1;
            // bits that choose neither shard nor group
            int slot = (int)(_hashes[i] >> 20) & (slots - 1);
            while (heads[slot] != 0 && keys[heads[slot] - 1] != keys[i])
                slot = (slot + 1) & (slots - 1);
            int before = heads[slot] - 1;
            if (before < 0 || lastWins)
                heads[slot] = i + 1;
            if (before < 0)
                continue;
            isLeft ??= new bool[keys.Length];
            isLeft[lastWins ? before : i] = true;
            if (!gradients.IsEmpty)
                Add(before, i, gradients, dimension, ref sums);
        }
        Group(keys.Length, isLeft);
    }

    void Add(int first, int position, ReadOnlySpan<float> gradients, int dimension, ref int sums)
    {
        if (_sumOf[first] < 0)
        {
            long needed = (long)(sums + 1) * dimension;
            if (needed > _sums.Length)
                Array.Resize(ref _sums, checked((int)Math.Max(needed, Math.Min(Array.MaxLength, 2L * _sums.Length))));
            gradients.Slice(first * dimension, dimension).CopyTo(_sums.AsSpan(sums * dimension));
            _sumOf[first] = sums++;
        }
        var sum = _sums.AsSpan(_sumOf[first] * dimension, dimension);
        var one = gradients.Slice(position * dimension, dimension);
        for (int i = 0; i < dimension; i++)
            sum[i] += one[i];
    }
}
