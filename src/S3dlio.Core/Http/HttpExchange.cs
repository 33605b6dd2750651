using System.Net.Sockets;

namespace S3dlio.Http;

/// <summary>One request and the head of its answer, over one connection.</summary>
static class HttpExchange
{
    /// <summary>
    /// From here on a body waits for the server's leave: a refusal costs a round trip instead of the upload, and is heard for certain.
    /// </summary>
    const int ExpectContinueFrom = 1 << 20;

    /// <summary>How long it waits: servers that do not know the question say nothing.</summary>
    static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(1);

    /// <summary>Copied behind the head: that costs less than a second call of the system, and the two arrive together.</summary>
    const int SmallBody = 16 << 10;

    /// <summary>Sends the request and reads heads until one is final. The body is the caller's again when this ends.</summary>
    /// <returns>The head, and whether all of the request went.</returns>
    public static ValueTask<(HttpHead Head, bool Sent)> RunAsync(HttpConnection connection, HttpCall call, bool waits)
    {
        connection.BeginRequest(waits);
        if (call.Body is not { Length: > SmallBody } large)
            return SmallAsync(connection, call);
        connection.StopWaiting();
        bool expect = large.Length >= ExpectContinueFrom;
        connection.Out.Write(call, expect, connection.Relay);
        return LargeAsync(connection, large, expect);
    }

    static async ValueTask<(HttpHead Head, bool Sent)> SmallAsync(HttpConnection connection, HttpCall call)
    {
        connection.Out.Write(call, expectContinue: false, connection.Relay);
        if (call.Body is { Length: > 0 } body)
            body.CopyTo(connection.Out.Extend((int)body.Length));
        await connection.SendAsync(connection.Out.Bytes).ConfigureAwait(false);
        if (call.Body is { Length: > 0 } sent)
            sent.Sent();
        int budget = HttpHead.Limit;
        while (true)
        {
            var head = await ReadHeadAsync(connection, budget).ConfigureAwait(false);
            if (!head.IsInterim)
                return (head, true);
            budget -= head.Size;
        }
    }

    static async ValueTask<(HttpHead Head, bool Sent)> LargeAsync(HttpConnection connection, HttpBody body, bool expect)
    {
        int budget = HttpHead.Limit;
        await connection.SendAsync(connection.Out.Bytes).ConfigureAwait(false);
        // read beside the sending: a server that refuses says so early and then hangs up
        var reading = ReadHeadAsync(connection, budget).AsTask();
        try
        {
            if (expect && await Task.WhenAny(reading, Task.Delay(LeavePatience)).ConfigureAwait(false) == reading)
            {
                var leave = await reading.ConfigureAwait(false);
                if (!leave.IsInterim)
                    return (leave, false);
                reading = ReadHeadAsync(connection, budget -= leave.Size).AsTask();
            }
            try
            {
                await body.SendAsync(connection.SendAsync, connection.Moved, () => IsFinal(reading)).ConfigureAwait(false);
            }
            catch (Exception error) when (error is IOException or SocketException)
            {
                // what the server said before it hung up tells more than that it did
                if (await FinalOrNullAsync(reading).ConfigureAwait(false) is { } last)
                    return (last, false);
                throw;
            }
            bool early = IsFinal(reading);
            while (true)
            {
                var head = await reading.ConfigureAwait(false);
                if (!head.IsInterim)
                    return (head, !early);
                reading = ReadHeadAsync(connection, budget -= head.Size).AsTask();
            }
        }
        catch
        {
            // nothing reads into the buffer any more when this ends
            connection.Abort();
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    static bool IsFinal(Task<HttpHead> reading) => reading.IsCompletedSuccessfully && !reading.Result.IsInterim;

    static async ValueTask<HttpHead?> FinalOrNullAsync(Task<HttpHead> reading)
    {
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return IsFinal(reading) ? await reading.ConfigureAwait(false) : null;
    }

    /// <summary>Reads one head, of at most <paramref name="budget"/> bytes.</summary>
    public static async ValueTask<HttpHead> ReadHeadAsync(HttpConnection connection, int budget)
    {
        int seen = 0;
        while (true)
        {
            int end = connection.Ahead[seen..].IndexOf("\r\n\r\n"u8);
            if (end >= 0 && seen + end + 4 <= budget)
            {
                int size = seen + end + 4;
                var head = HttpHead.Parse(connection.Ahead[..size]);
                connection.Take(size);
                return head;
            }
            if (end >= 0 || connection.Ahead.Length >= budget)
            {
                throw new HttpRequestException(
                    HttpRequestError.ConfigurationLimitExceeded, $"its headers have more than {HttpHead.Limit} bytes");
            }
            HttpHead.CheckBeginning(connection.Ahead);
            // the end may have come in part
            seen = Math.Max(0, connection.Ahead.Length - 3);
            if (await connection.FillAsync().ConfigureAwait(false) > 0)
                continue;
            string where = connection.Ahead.Length == 0 ? "it was closed before an answer came" : "it was closed within the answer's head";
            throw new HttpIOException(HttpRequestError.ResponseEnded, where);
        }
    }
}
