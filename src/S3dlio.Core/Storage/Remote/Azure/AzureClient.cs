using System.Net.Sockets;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>Authorizes and sends; one for each distinct configuration of an account, shared by all stores of the process that have it.</summary>
sealed class AzureClient
{
    /// <summary>Old enough for every region and the emulator; blocks of 4,000 MiB and encoded names in listings need 2021-02-12.</summary>
    public const string Version = "2023-11-03";

    static readonly SharedClients<(AzureOptions Options, string Name), AzureClient> Clients = new();

    readonly HttpTransport _transport;

    internal AzureClient(AzureOptions options, AzureAccount account, string subject, TimeProvider? clock = null)
    {
        Options = options;
        Account = account;
        InFlight = new InFlight(options.Http.MaxInFlight, options.Http.MemoryLimit);
        Retry = new RetryPolicy(options.Http.Retry, new RetryBudget(), clock);
        Reading = HttpReaderSettings.Of(options.Http, Retry, InFlight);
        _transport = HttpTransport.Shared(options.Http.Settings, subject);
    }

    public AzureOptions Options { get; }

    public AzureAccount Account { get; }

    /// <summary>How bodies are guarded on their way; the emulator refuses CRC64.</summary>
    public TransferCheck Check => Options.TransferCheck switch
    {
        TransferCheck.Auto => Account.Name == Emulator.Account ? TransferCheck.Md5 : TransferCheck.Crc64,
        var chosen => chosen,
    };

    public InFlight InFlight { get; }

    public RetryPolicy Retry { get; }

    public HttpReaderSettings Reading { get; }

    public static AzureClient Shared(AzureOptions options, string name, string subject) => Clients.Get(
        (options, name), () => new AzureClient(options, AzureAccount.Resolve(options, name, subject, Environment.GetEnvironmentVariable), subject));

    /// <summary>Sends until it succeeds or there is no more hope, reads the answer with <paramref name="read"/> and lets go of it.</summary>
    public ValueTask<T> SendAsync<T>(AzureRequest request, Func<HttpAnswer, CancellationToken, ValueTask<T>> read, CancellationToken cancel) =>
        Retry.RunAsync(request.Subject, (_, stop) => OnceAsync(request, read, stop), cancel);

    /// <summary>The same for calls whose answer says nothing of interest beyond its headers.</summary>
    public ValueTask<T> SendAsync<T>(AzureRequest request, Func<HttpAnswer, T> read, CancellationToken cancel) =>
        Retry.RunAsync(request.Subject, (_, stop) => OnceAsync(request, read, stop), cancel);

    /// <summary>One attempt of <see cref="SendAsync{T}(AzureRequest, Func{HttpAnswer, T}, CancellationToken)"/>, for those that have their own idea of the next.</summary>
    public ValueTask<T> OnceAsync<T>(AzureRequest request, Func<HttpAnswer, T> read, CancellationToken cancel) =>
        OnceAsync(request, async (answer, stop) =>
        {
            var result = read(answer);
            if (request.Method != HttpMethod.Head)
                await answer.DrainAsync(stop).ConfigureAwait(false);
            return result;
        }, cancel);

    public async ValueTask<T> OnceAsync<T>(AzureRequest request, Func<HttpAnswer, CancellationToken, ValueTask<T>> read, CancellationToken cancel)
    {
        using var place = await InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false);
        using var answer = await AttemptAsync(request, cancel).ConfigureAwait(false);
        return await read(answer, cancel).ConfigureAwait(false);
    }

    /// <summary>One attempt. Tokens that have expired are renewed once, within it.</summary>
    public async ValueTask<HttpAnswer> AttemptAsync(AzureRequest request, CancellationToken cancel)
    {
        bool renewed = false;
        while (true)
        {
            var call = await AuthorizeAsync(request, cancel).ConfigureAwait(false);
            HttpAnswer answer;
            try
            {
                answer = await _transport.SendAsync(call, cancel).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (IsNoSuchHost(failure))
            {
                throw NoSuchAccount(request, failure);
            }
            if (answer.Status is >= 200 and < 300)
                return answer;
            AzureError error;
            using (answer)
            {
                error = await AzureError.ReadAsync(answer, Retry.Clock, cancel).ConfigureAwait(false);
            }
            if (error.RefusesLogin && !renewed && Account.Credential.Forget(call))
            {
                renewed = true;
                continue;
            }
            throw error.ToFailure(request, Account, Retry.Clock);
        }
    }

    /// <summary>Where something is, with what its address needs besides: a secret when that is a SAS.</summary>
    public string Url(string container, string key, string query)
    {
        string path = container.Length == 0 ? "/" : key.Length == 0 ? $"/{PercentEncoding.Value(container)}" : $"/{PercentEncoding.Value(container)}/{PercentEncoding.Path(key)}";
        return query.Length == 0 ? Account.Endpoint + path : $"{Account.Endpoint}{path}?{query}";
    }

    internal async ValueTask<HttpCall> AuthorizeAsync(AzureRequest request, CancellationToken cancel)
    {
        string query = string.Join('&', request.Query.Select(pair => $"{pair.Key}={PercentEncoding.Value(pair.Value)}"));
        string secret = Account.Credential.Query;
        if (secret.Length > 0)
            query = query.Length == 0 ? secret : $"{query}&{secret}";
        var call = new HttpCall
        {
            Method = request.Method,
            Address = HttpTransport.Address(Url(request.Container, request.Key, query)),
            Subject = request.Subject,
            Body = request.Body,
            Patience = request.Patience,
        };
        call.Headers.AddRange(request.Headers);
        call.Add("x-ms-version", Version);
        await Account.Credential.AuthorizeAsync(call, Retry.Clock.GetUtcNow(), cancel).ConfigureAwait(false);
        return call;
    }

    bool IsNoSuchHost(HttpFailure failure)
    {
        if (!Account.IsDerived)
            return false;
        for (Exception? error = failure.Error; error is not null; error = error.InnerException)
        {
            if (error is SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData })
                return true;
        }
        return false;
    }

    HttpFailure NoSuchAccount(AzureRequest request, HttpFailure failure)
    {
        string host = new Uri(Account.Endpoint).Host;
        return new HttpFailure(new StoreException(ErrorKind.NotFound, request.Subject,
            $"no such account '{Account.Name}': there is no host {host}; check the account's name, and this machine's DNS if the name is right", cause: failure.Error) { Reason = ErrorReason.NoSuchAccount })
        {
            // a name server may be wrong for a moment
            Transient = true,
            MostAttempts = 2,
        };
    }
}
