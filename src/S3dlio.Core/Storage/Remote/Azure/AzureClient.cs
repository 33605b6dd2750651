using System.Net.Sockets;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// Authorizes and sends; one for each distinct configuration of an account, shared by all stores of the process that have it.
/// </summary>
sealed class AzureClient : RemoteClient
{
    /// <summary>Old enough for every region and the emulator; blocks of 4,000 MiB and encoded names in listings need 2021-02-12.</summary>
    public const string Version = "2023-11-03";

    static readonly SharedClients<(AzureOptions Options, string Name), AzureClient> Clients = new();

    internal AzureClient(AzureOptions options, AzureAccount account, string subject, TimeProvider? clock = null)
        : base(options.Http, subject, clock)
    {
        Options = options;
        Account = account;
    }

    public AzureOptions Options { get; }

    public AzureAccount Account { get; }

    /// <summary>What bodies are sent with; the emulator refuses CRC64.</summary>
    public TransferHash TransferHash => Options.TransferCheck switch
    {
        TransferCheck.Md5 => TransferHash.Md5,
        TransferCheck.Auto when Account.Name == Emulator.Account => TransferHash.Md5,
        TransferCheck.None => TransferHash.None,
        _ => TransferHash.Crc64,
    };

    public static AzureClient Shared(AzureOptions options, string name, string subject) => Clients.Get(
        (options, name),
        () => new AzureClient(options, AzureAccount.Resolve(options, name, subject, Environment.GetEnvironmentVariable), subject));

    /// <summary>One attempt. Tokens that have expired are renewed once, within it.</summary>
    public override async ValueTask<HttpResponse> AttemptAsync(RemoteRequest request, CancellationToken cancel)
    {
        bool renewed = false;
        while (true)
        {
            var call = await AuthorizeAsync(request, cancel).ConfigureAwait(false);
            HttpResponse answer;
            try
            {
                answer = await SendAsync(call, cancel).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (IsNoSuchHost(failure))
            {
                throw NoSuchAccount(request, failure);
            }
            if (answer.Status is >= 200 and < 300 || answer.Status == request.AlsoAccept)
                return answer;
            AzureError error;
            using (answer)
            {
                error = await AzureError.ReadAsync(answer, Retry.Clock, cancel).ConfigureAwait(false);
            }
            if (error.RefusesLogin && !renewed && Account.Credential.Forget(call))
            {
                renewed = true;
                Events.Tell(EventLevel.Info, $"{request.Subject}: the service refuses the login; another one is asked for");
                continue;
            }
            throw error.ToFailure(request, Account, Retry.Clock);
        }
    }

    /// <summary>Where something is, with what its address needs besides: a secret when that is a SAS.</summary>
    public string Url(string container, string key, string query)
    {
        string path = container.Length == 0 ? "/" : key.Length == 0
            ? $"/{PercentEncoding.Value(container)}"
            : $"/{PercentEncoding.Value(container)}/{PercentEncoding.Path(key)}";
        return query.Length == 0 ? Account.Endpoint + path : $"{Account.Endpoint}{path}?{query}";
    }

    internal async ValueTask<HttpCall> AuthorizeAsync(RemoteRequest request, CancellationToken cancel)
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
            Tally = request.Tally,
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

    HttpFailure NoSuchAccount(RemoteRequest request, HttpFailure failure)
    {
        string host = new Uri(Account.Endpoint).Host;
        return new HttpFailure(new StoreException(ErrorKind.NotFound, request.Subject,
            $"no such account '{Account.Name}': there is no host {host}; check the account's name, and this machine's DNS if the name is "
            + "right", cause: failure.Error)
        { Reason = ErrorReason.NoSuchAccount })
        {
            // a name server may be wrong for a moment
            Transient = true,
            MostAttempts = 2,
        };
    }
}
