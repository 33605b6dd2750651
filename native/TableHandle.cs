using S3dlio.Table;

namespace S3dlio.Native;

/// <summary>What C holds as a table. It may be closed while other threads use it: what they do then ends with Closed.</summary>
sealed class TableHandle(EmbeddingTable table) : IAsyncDisposable
{
    public EmbeddingTable Table => table;

    /// <summary>Closes it; what came after the last checkpoint is gone.</summary>
    public ValueTask DisposeAsync() => new(Task.Run(table.Dispose));
}

/// <summary>A walk over a table's rows. Threads that share one take turns.</summary>
sealed class TableScanHandle(EmbeddingTable table, TableScan scan) : IAsyncDisposable
{
    readonly Lock _turn = new();
    bool _closed;

    public int RowBytes => table.RowBytes;

    public int Next(Span<long> keys, Span<byte> rows)
    {
        lock (_turn)
        {
            return _closed ? throw new StoreException(ErrorKind.Closed, table.Directory, "this scan was closed") : scan.Next(keys, rows);
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_turn)
        {
            _closed = true;
            scan.Dispose();
        }
        return ValueTask.CompletedTask;
    }
}
