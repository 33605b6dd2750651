using System.Net.Security;
using System.Net.Sockets;

namespace S3dlio.Http;

/// <summary>
/// One connection and what has come over it ahead of who reads. One request at a time uses it; <see cref="Abort"/> alone may come from
/// elsewhere, and makes whatever waits on it fail. No call returns while the socket still reads from or writes to memory that it was given.
/// </summary>
sealed class HttpConnection : IDisposable
{
    const int BufferLength = 16 << 10;

    readonly Socket _socket;
    readonly HttpProxy? _relay;
    readonly InactivityTimeout _silence;
    readonly long _opened = Environment.TickCount64;
    // TLS over the socket, once there is some; each layer closes the one below
    Stream _stream;
    byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferLength);
    int _start, _end;
    volatile bool _aborted;
    bool _waits;
    int _waiter;
    long _idleSince;

    /// <param name="origin">The server.</param>
    /// <param name="socket">Connected to it, or to the proxy.</param>
    /// <param name="waits">
    /// The caller's thread may wait in the kernel, and nothing asynchronous was done with the socket.
    /// </param>
    /// <param name="proxy">What stands between; null: nothing.</param>
    public HttpConnection(HttpOrigin origin, Socket socket, bool waits, HttpProxy? proxy = null)
    {
        (Origin, _relay, _socket) = (origin, proxy?.Relays(origin) == true ? proxy : null, socket);
        (_waits, _waiter) = (waits, Environment.CurrentManagedThreadId);
        _stream = new NetworkStream(socket, ownsSocket: false);
        _silence = new InactivityTimeout(Abort);
    }

    public HttpOrigin Origin { get; }

    /// <summary>The proxy that requests go to, to be passed on; null where they reach the server, perhaps through a tunnel.</summary>
    public HttpProxy? Relay => _relay;

    /// <summary>A request has gone over it before: the server may have hung up since.</summary>
    public bool IsUsed { get; private set; }

    /// <summary>No byte of an answer to the current request has come.</summary>
    public bool IsMute { get; private set; }

    /// <summary>Nothing moved for as long as is allowed, so it was ended.</summary>
    public bool WasSilent => _silence.IsOver;

    /// <summary>Memory for the next request's head.</summary>
    public HttpRequestText Out { get; } = new();

    /// <summary>Bytes that have come and have not been taken.</summary>
    public ReadOnlySpan<byte> Ahead => _buffer.AsSpan(_start, _end - _start);

    /// <summary>
    /// A request begins: silence is limited, and the caller's cancel ends the connection until the result is disposed of.
    /// </summary>
    public CancellationTokenRegistration Begin(TimeSpan patience, CancellationToken cancel)
    {
        _silence.Watch(patience);
        return cancel.UnsafeRegister(static connection => ((HttpConnection)connection!).Abort(), this);
    }

    /// <param name="waits">The calling thread may wait in the kernel for the request and its answer.</param>
    public void BeginRequest(bool waits)
    {
        IsMute = true;
        (_waits, _waiter) = (_waits && waits, Environment.CurrentManagedThreadId);
    }

    public void Moved() => _silence.Moved();

    /// <summary>No request is under way on it.</summary>
    public void Rest() => _silence.Rest();

    public void Take(int count) => _start += count;

    /// <summary>Closes it; a request under way fails.</summary>
    public void Abort()
    {
        _aborted = true;
        _socket.Dispose();
    }

    public void Dispose()
    {
        _silence.Dispose();
        _socket.Dispose();
        _stream.Dispose();
    }

    /// <summary>
    /// Marks it as idle. False when it is of no more use: ended, too old, or with bytes that no request of ours asked for.
    /// </summary>
    public bool TryKeep(TimeSpan lifetime)
    {
        _idleSince = Environment.TickCount64;
        IsUsed = true;
        _silence.Rest();
        return !_aborted && !_silence.IsOver && _start == _end && _idleSince - _opened < lifetime.TotalMilliseconds;
    }

    public TimeSpan Idle => TimeSpan.FromMilliseconds(Environment.TickCount64 - _idleSince);

    /// <summary>Asks the system whether the server has hung up, or said something unasked: both make it useless.</summary>
    public bool IsFresh()
    {
        try
        {
            return !_aborted && !_socket.Poll(0, SelectMode.SelectRead);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>
    /// The thread that began a request which may wait does so in the kernel. From the first call by another thread, or of a request that
    /// may not, none does.
    /// </summary>
    public bool Waits => _waits = _waits && Environment.CurrentManagedThreadId == _waiter;

    /// <summary>Only requests that may wait have used it so far.</summary>
    public bool IsPatient => _waits;

    /// <summary>It is about to be read and written at once: from here on no call waits in the kernel.</summary>
    public void StopWaiting() => _waits = false;

    /// <summary>From here on all goes through TLS. No byte is ahead.</summary>
    public ValueTask SecureAsync(SslClientAuthenticationOptions options)
    {
        var tls = new SslStream(_stream, leaveInnerStreamOpen: false);
        _stream = tls;
        if (!Waits)
            return new ValueTask(tls.AuthenticateAsClientAsync(options));
        tls.AuthenticateAsClient(options);
        return default;
    }

    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (!Waits)
            return _stream.WriteAsync(bytes, CancellationToken.None);
        _stream.Write(bytes.Span);
        return default;
    }

    /// <summary>Receives into the caller's memory; what is ahead must have been taken before. 0: the server has hung up.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> destination)
    {
        bool isPlain = _stream is NetworkStream;
        if (!Waits)
        {
            return isPlain
                ? _socket.ReceiveAsync(destination, SocketFlags.None, CancellationToken.None)
                : _stream.ReadAsync(destination, CancellationToken.None);
        }
        int count = isPlain ? _socket.Receive(destination.Span) : _stream.Read(destination.Span);
        // ended by us, which a receive that waits takes for the server's doing
        return count == 0 && _aborted ? throw new IOException("the connection was ended") : new ValueTask<int>(count);
    }

    /// <summary>Receives more behind what is ahead. 0: the server has hung up.</summary>
    public ValueTask<int> FillAsync()
    {
        if (_start == _end)
            _start = _end = 0;
        else if (_end == _buffer.Length)
            MakeRoom();
        var receiving = ReceiveAsync(_buffer.AsMemory(_end));
        return receiving.IsCompletedSuccessfully ? new ValueTask<int>(Filled(receiving.Result)) : FillAsync(receiving);
    }

    async ValueTask<int> FillAsync(ValueTask<int> receiving) => Filled(await receiving.ConfigureAwait(false));

    int Filled(int count)
    {
        _end += count;
        IsMute &= count == 0;
        return count;
    }

    void MakeRoom()
    {
        var target = _start > 0 ? _buffer : GC.AllocateUninitializedArray<byte>(_buffer.Length * 2);
        Buffer.BlockCopy(_buffer, _start, target, 0, _end - _start);
        (_buffer, _start, _end) = (target, 0, _end - _start);
    }
}
