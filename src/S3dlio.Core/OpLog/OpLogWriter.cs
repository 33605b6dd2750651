using System.Collections.Concurrent;
using S3dlio.Compression;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>
/// A log file in the making. Rows gather in a buffer; a thread of its own compresses full buffers, each a zstd frame, and writes them.
/// Nothing is
/// dropped: where the disk is slower than the operations, these wait for it. What was written a second ago is in the file, whatever happens
/// to
/// the process, and what is in the file can be read. When the file cannot be written, recording ends and the operations go on.
/// </summary>
public sealed class OpLogWriter : IDisposable
{
    const int BufferLength = 256 << 10, Buffers = 8, MostError = 2000;

    static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    readonly Lock _gate = new();
    readonly BlockingCollection<(byte[] Buffer, int Length)> _full = new(Buffers);
    readonly ConcurrentBag<byte[]> _free = [];
    readonly FileStream _file;
    readonly FrameEncoder? _encoder;
    readonly Thread _thread;
    readonly Timer _timer;
    readonly string _clientId;
    byte[] _current = new byte[BufferLength];
    int _filled;
    long _rows;
    bool _closed;
    volatile Exception? _failure;

    /// <param name="path">The file, replaced where it exists; a name that ends with <c>.zst</c> is compressed.</param>
    /// <param name="level">Of zstd, 1 to 22.</param>
    /// <param name="clientId">Told apart from other processes' rows when logs are merged.</param>
    /// <exception cref="StoreException">The file cannot be made.</exception>
    public OpLogWriter(string path, int level, string clientId)
    {
        Path = path;
        _clientId = clientId;
        try
        {
            _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(ErrorKind.InvalidArgument, path, $"the op log cannot be written there: {error.Message}", cause: error);
        }
        if (path.EndsWith(SeekableFormat.Suffix, StringComparison.Ordinal))
            _encoder = new FrameEncoder(level);
        byte[] header = OpRow.Header();
        header.CopyTo(_current, 0);
        _filled = header.Length;
        _thread = new Thread(Write, 256 << 10) { IsBackground = true, Name = "s3dlio op log" };
        _thread.UnsafeStart();
        _timer = new Timer(static log => ((OpLogWriter)log!).HandOverInTime(), this, Period, Period);
    }

    public string Path { get; }

    public long Rows => Interlocked.Read(ref _rows);

    /// <summary>Why recording ended before its time; null while all is well.</summary>
    public Exception? Failure => _failure;

    /// <summary>Adds a row; index, client and thread are put in here.</summary>
    public void Append(OpRecord record)
    {
        string error = record.Error.Length > MostError ? record.Error[..MostError] + "…" : record.Error;
        int most = OpRow.FixedLength + OpRow.MostLength(record.Endpoint) + OpRow.MostLength(record.File) + OpRow.MostLength(error)
            + OpRow.MostLength(_clientId);
        lock (_gate)
        {
            if (_closed || _failure is not null)
                return;
            if (_current.Length - _filled < most)
                HandOver(Math.Max(most, BufferLength));
            _filled += OpRow.Write(record with { Index = _rows++, ClientId = _clientId, Error = error, Thread = record.Thread & 0xffff },
                _current.AsSpan(_filled));
        }
    }

    /// <summary>Everything is in the file when this returns; called again it does nothing.</summary>
    /// <exception cref="StoreException">Some rows could not be written.</exception>
    public void Close()
    {
        lock (_gate)
        {
            if (_closed)
                return;
            _closed = true;
            if (_filled > 0)
                _full.Add((_current, _filled));
            _full.CompleteAdding();
        }
        _timer.Dispose();
        _thread.Join();
        _encoder?.Dispose();
        _file.Dispose();
        _full.Dispose();
        if (_failure is { } failure)
            throw new StoreException(ErrorKind.OutOfSpace, Path, $"the op log is not whole, its last rows are missing: {failure.Message}",
                cause: failure);
    }

    public void Dispose()
    {
        try
        {
            Close();
        }
        catch (StoreException)
        {
            // whoever wants to know calls Close
        }
    }

    // under the lock; waits while all buffers are full
    void HandOver(int length)
    {
        _full.Add((_current, _filled));
        _filled = 0;
        _current = length == BufferLength && _free.TryTake(out byte[]? used) ? used : new byte[length];
    }

    void HandOverInTime()
    {
        // a turn may be left out: what waits is handed over with the next
        if (!_gate.TryEnter())
            return;
        try
        {
            if (!_closed && _filled > 0 && _full.Count == 0)
                HandOver(BufferLength);
        }
        finally
        {
            _gate.Exit();
        }
    }

    void Write()
    {
        foreach (var (buffer, length) in _full.GetConsumingEnumerable())
        {
            try
            {
                if (_failure is null)
                    Write(buffer.AsMemory(0, length));
            }
            catch (Exception error) when (error is IOException or CompressionException or InsufficientMemoryException)
            {
                _failure = error;
                Notices.Once("op log", $"the op log {PathText.Show(Path)} cannot be written any more: {error.Message}; operations go on "
                    + $"unrecorded");
            }
            if (buffer.Length == BufferLength)
                _free.Add(buffer);
        }
    }

    void Write(ReadOnlyMemory<byte> rows)
    {
        if (_encoder is null)
        {
            _file.Write(rows.Span);
            return;
        }
        _encoder.Encode(rows);
        foreach (var piece in _encoder.Frame)
            _file.Write(piece.Span);
    }
}
