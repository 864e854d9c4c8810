# Installs imjoy on Windows; `powershell -ExecutionPolicy Bypass -File install.ps1 -Help` says how.
#
#   irm https://github.com/oeway/ImJoy-Engine/raw/HEAD/install.ps1 | iex
#
# It finds a Python, or fetches one, gets imjoy's source, and hands over to imjoy.provision, which plans and does
# everything. Of its own it makes one temporary folder, which goes again. Windows PowerShell 5.1 and later.
# All of it is one block: a copy that was cut off does nothing, and under iex nothing of it stays in the session. The words
# are read by hand, as PowerShell binds no `--` of a command line, and tells of a typing error in a form of its own.

& {
param($Typed, $Call, $End)

# Cut off within the last line, it is a block that would run with less than was typed.
if ($End -ne 'whole') { return }

$ImJoyVersion = '0.12.0'
$ProjectUrl = 'https://github.com/oeway/ImJoy-Engine'
$PipLine = "py -3 -m pip install $ProjectUrl/archive/HEAD.zip"
$Again = 'powershell -ExecutionPolicy Bypass -File install.ps1'

# A profile may have set any of these.
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$PSNativeCommandUseErrorActionPreference = $false
$PSNativeCommandArgumentPassing = 'Standard'
$PSDefaultParameterValues = @{}
$OFS = ' '

$StartSeconds = 5
$ConnectSeconds = 15
$StallSeconds = 30
$DownloadAttempts = 4

# The same in install.sh, install.ps1 and imjoy.
$ExitCodes = @{ Done = 0; Usage = 2; Refused = 3; Network = 4; Checksum = 6; OurBug = 70; Interrupted = 130 }

# What Windows PowerShell hands to a program loses its double quotes, so there are none in these.
$GoodEnough = 'import sys; sys.exit(sys.version_info < (3, 9) or sys.platform != ''win32'' or ''GCC'' in sys.version)'
$InWheel = 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).getinfo(''imjoy/provision/main.py'')'
# The planner of a place does everything else. One that is older than this script has no from_script.
$HandOver = @'
import sys
sys.path.insert(0, sys.argv.pop(1))
try:
    from imjoy.provision.from_script import main
except ImportError:
    from imjoy.provision.main import main
sys.exit(main(sys.argv[1:]))
'@

# Whether a value follows.
$Options = [ordered]@{
    Prefix = $true; Distribution = $true; From = $true; Mirror = $true; Offline = $true; Installer = $true; Sha256 = $true
    ModifyPath = $false; NoModifyPath = $false; Desktop = $false; NoDesktop = $false; Start = $false
    Uninstall = $false; Workspace = $false; Caches = $false; Yes = $false; DryRun = $false
    Json = $false; Quiet = $false; Verbose = $false; Version = $false; Help = $false
}

# --- pythons: written by .ci/installer-tables from installers.json, do not edit
$Pythons = @{
    Base = 'https://github.com/astral-sh/python-build-standalone/releases/download/20260814/'
    WindowsBuild = 17763
    File = 'cpython-3.13.15+20260814-{0}-install_only_stripped.tar.gz'
    'win-64' = 'x86_64-pc-windows-msvc', '07c977bbe4abad07e3bbc314608633e6c74eab482a7bae81f4361cda970b45e6'
    'win-arm64' = 'aarch64-pc-windows-msvc', 'f6bf0fa39ad3668dc1996052ec6eff58c54aa126bf203cf3728a47a830af2b5d'
}
# --- end of pythons

# The planner's own help, that of imjoy install, tells more.
function Write-Help {
    Write-Output @"
Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: $Again [options]
                  [-- arguments for imjoy start]

  -Prefix DIR         the folder that it makes (default: ImJoyApp in your home)
  -Distribution auto|miniconda|miniforge|existing|venv
                      where its Python comes from
  -From SOURCE        install a checkout's folder, a wheel, or a git url
  -Mirror URL         where the installers of conda and the Python lie instead
  -Offline DIR        take the installer, the Python and all wheels from there
  -Installer FILE     run this installer of Miniconda or Miniforge
  -Sha256 HASH        what that has to be
  -ModifyPath         keep imjoy on PATH; -NoModifyPath: do not ask
  -Desktop            put ImJoy into the Start menu; -NoDesktop: do not ask
  -Start              afterwards start the engine and open the app
  -Uninstall          take away what was installed
  -Yes                do not ask; take yes for an answer
  -DryRun             look, print the plan, change nothing
  -Json               print the plan or the result as JSON, on stdout
  -Quiet, -Verbose    print errors and warnings only; show what the steps print
  -Version, -Help     print the version; print this

What each does, the variables and the exit codes:
$ProjectUrl/blob/HEAD/docs/install.md
"@
}

# An error that a person can act on. It is thrown, so that nothing here ends the session.
function Stop-Install([string]$Id, [int]$Code, [string]$What, [string]$Why, [string]$Fix) {
    $failure = New-Object System.Exception $What
    $failure.Data['Told'] = @{ Id = $Id; Code = $Code; Why = $Why; Fix = $Fix }
    throw $failure
}

function Write-Failure($Failure) {
    $told = @{ Id = 'bug'; Code = $ExitCodes.OurBug; Why = "$($Failure.InvocationInfo.PositionMessage)"; Fix = "report it: $ProjectUrl/issues" }
    $what = "install.ps1 ended where it should not; that is a bug of ours: $($Failure.Exception.Message)"
    if ($Failure.Exception.Data.Contains('Told')) { $told = $Failure.Exception.Data['Told']; $what = $Failure.Exception.Message }
    [Console]::Error.WriteLine("error: $what")
    foreach ($line in $told.Why, $told.Fix) { if ($line) { [Console]::Error.WriteLine('  ' + ($line -replace "\r?\n", "`n  ")) } }
    if ($Install.Given['Json']) {
        $facts = [ordered]@{ id = $told.Id; what = $what; why = $told.Why; fix = $told.Fix; exit_code = $told.Code }
        $json = [ordered]@{ schema = 1; kind = 'failure'; error = $facts } | ConvertTo-Json -Compress
        Write-Output ([regex]::Replace($json, '[^ -~]', { param($found) '\u{0:x4}' -f [int][char]$found.Value }))
    }
    $Install.Code = $told.Code
}

# Sets Given, and Words: the same in the spelling of imjoy install. A name may be cut short, and `-Name:` holds its value too.
function Read-Words([object[]]$Typed) {
    $words = @($Typed | ForEach-Object { $_ -join ',' })
    if ($words -match '^--?json$') { $Install.Given['Json'] = $true }
    if (@($words -match '[\r\n]').Count -gt 0) { Stop-Usage 'a word has a line break in it' }
    # In a session PowerShell keeps the first `--` for itself; the line that was typed shows it.
    $kept = "$($Call.Line)" -match '\s--(\s|$)' -and '--' -notin $words
    for ($at = 0; $at -lt $words.Count; $at++) {
        $word = $words[$at]
        $rest = @($words | Select-Object -Skip ($at + 1))
        if ($word -eq '--') { $Install.Start = $rest; break }
        if ($kept -and $word -like '--*') { $Install.Start = @($word) + $rest; break }
        $joined = $word -match '^(--[a-z][a-z0-9-]*)=(.+)$'
        if ($joined) {
            $word, $value = $Matches[1], $Matches[2]
            # powershell -File cuts what begins with a dash at its first colon.
            if ($rest.Count -gt 0) {
                $whole = "$($value.TrimEnd(':')):$($rest[0])"
                if ([Environment]::CommandLine.Contains("$word=$whole")) { $value = $whole; $at++ }
            }
            $rest = @($value)
        }
        $start = $(if ($word -match '^--?([a-z][a-z0-9-]*):?$') { $Matches[1].Replace('-', '') })
        $fitting = @($Options.Keys | Where-Object { $start -and $_ -like "$start*" })
        if ($fitting.Count -eq 0) { Stop-Usage "$word is not an option" }
        if ($fitting.Count -gt 1) { Stop-Usage "$word could be -$($fitting -join ' or -')" }
        $value = $true
        if ($Options[$fitting[0]]) {
            if ($rest.Count -eq 0 -or -not $rest[0]) { Stop-Usage "-$($fitting[0]) needs a value" }
            $value = $rest[0]
            if (-not $joined) { $at++ }
        } elseif ($joined) {
            Stop-Usage "$($words[$at]) is not an option"
        } elseif ($word.EndsWith(':')) { $value = $rest.Count -gt 0 -and $rest[0] -notin 'False', '0'; $at++ }
        $Install.Given[$fitting[0]] = $value
    }
    foreach ($name in @($Options.Keys | Where-Object { $Install.Given[$_] })) {
        $Install.Words += '--' + ($name -creplace '(?<=[a-z])([A-Z])', '-$1').ToLower()
        if ($Options[$name]) { $Install.Words += $Install.Given[$name] }
    }
    if ($Install.Start.Count -gt 0) { $Install.Words += @('--') + $Install.Start }
}

function Stop-Usage([string]$What) { Stop-Install 'usage.wrong' $ExitCodes.Usage $What '' "$Again -Help lists what there is" }

# Whether a program ends with 0 within some seconds. Nothing that it says is read, and it gets nothing to read.
function Test-Starts([string]$Program, [string]$Words) {
    $settings = New-Object Diagnostics.ProcessStartInfo $Program, $Words
    $settings.UseShellExecute = $false
    $settings.CreateNoWindow = $true
    $settings.RedirectStandardInput = $settings.RedirectStandardOutput = $settings.RedirectStandardError = $true
    try { $process = [Diagnostics.Process]::Start($settings) } catch { return $false }
    try {
        $process.StandardInput.Close()
        [void]$process.StandardOutput.BaseStream.CopyToAsync([IO.Stream]::Null)
        [void]$process.StandardError.BaseStream.CopyToAsync([IO.Stream]::Null)
        if ($process.WaitForExit(1000 * $StartSeconds)) { return $process.ExitCode -eq 0 }
        Invoke-Quietly @("$env:SystemRoot\System32\taskkill.exe", '/PID', $process.Id, '/T', '/F')
        $Install.Notices += "$Program did not start within $StartSeconds seconds"
        return $false
    } finally { $process.Dispose() }
}

# The program is the first in Command; its exit code is in LASTEXITCODE.
# With Stop, Windows PowerShell would take the first line on stderr for a failure.
function Invoke-Quietly([object[]]$Command) {
    $ErrorActionPreference = 'Continue'
    $program, $words = $Command
    & $program @words 2>&1 | Out-Null
}

function Find-Python {
    $places = @(Get-Command 'python.exe', 'python3.exe' -All -CommandType Application -ErrorAction SilentlyContinue | ForEach-Object { $_.Path })
    $places += @(Get-ItemProperty 'HKCU:\Software\Python\*\*\InstallPath', 'HKLM:\Software\Python\*\*\InstallPath' -ErrorAction SilentlyContinue |
            ForEach-Object { if ($_.PSObject.Properties['ExecutablePath']) { $_.ExecutablePath } })
    $places += $env:CONDA_PYTHON_EXE
    if ($env:PYENV) { $places += @(Get-ChildItem "$env:PYENV\versions\*\python.exe" -ErrorAction SilentlyContinue | ForEach-Object { $_.FullName }) }
    foreach ($folder in @($env:USERPROFILE, $env:LOCALAPPDATA, $env:ProgramData | Where-Object { $_ })) {
        $places += 'miniconda3', 'miniforge3', 'mambaforge', 'anaconda3' | ForEach-Object { "$folder\$_\python.exe" }
    }
    # Of what is about to change, the last; so that an uninstall need not fetch a Python.
    $own = '\.imjoy\python\python.exe', '\conda\python.exe', '\python.exe', '\Scripts\python.exe' | ForEach-Object { $Install.Prefix + $_ }
    $launcher = @(Get-Command py.exe -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1 | ForEach-Object { $_.Path })
    foreach ($place in $places + $launcher + $own | Select-Object -Unique) {
        if (-not $place -or -not (Test-Path -LiteralPath $place -PathType Leaf)) { continue }
        if ($place -notin $own -and $place.StartsWith("$($Install.Prefix)\", 'OrdinalIgnoreCase')) { continue }
        $first = @($(if ($place -in $launcher) { '-3' }))
        if (Test-Starts $place "$first -I -B -c `"$GoodEnough`"") { return @($place) + $first + '-I', '-B' }
    }
}

# A whole Python, in a folder of ours; where programs may not run from there, in another.
function Get-FetchedPython {
    $none = 'there is no Python here that starts, and none can be had'
    $byHand = 'install one from https://www.python.org/downloads/'
    $url = $env:IMJOY_PYTHON_URL
    $wanted = $env:IMJOY_PYTHON_SHA256
    if (-not ($url -and $wanted)) {
        $build = [Environment]::OSVersion.Version.Build
        if (-not [Environment]::Is64BitOperatingSystem -or $build -lt $Pythons.WindowsBuild) {
            Stop-Install 'host.python' $ExitCodes.Refused $none "that needs 64-bit Windows, build $($Pythons.WindowsBuild) or later; this is build $build" $byHand
        }
        # The one that most packages are built for; Windows on ARM runs it from 11 on.
        $arm = $build -lt 22000 -and "$env:PROCESSOR_ARCHITECTURE$env:PROCESSOR_ARCHITEW6432" -match 'ARM64'
        $name, $wanted = $Pythons[$(if ($arm) { 'win-arm64' } else { 'win-64' })]
        $url = $Pythons.Base + [Uri]::EscapeDataString($Pythons.File -f $name)
    }
    $last = ($url -split '/')[-1]
    $mirror = @($Install.Given['Mirror'], $env:IMJOY_MIRROR | Where-Object { $_ })
    if ($mirror.Count -gt 0) { $url = "$($mirror[0].TrimEnd('/'))/$last" }
    $archive = Join-Path $Install.Folder 'python.tar.gz'
    if ($Install.Given['Offline']) {
        $file = Join-Path $Install.Given['Offline'] ([Uri]::UnescapeDataString($last))
        if (-not (Test-Path -LiteralPath $file)) { Stop-Install 'network.python' $ExitCodes.Network $none "there is no file $file" "put it there, or $byHand" }
        Copy-Item -LiteralPath $file -Destination $archive
    } else {
        if (-not $Install.Given['Quiet']) { [Console]::Error.WriteLine('There is no Python here that starts: fetching one') }
        $why = Get-File $url $archive
        if ($why) { Stop-Install 'network.python' $ExitCodes.Network $none "${url}: $why" 'look at the network and HTTPS_PROXY, or use -Mirror URL or -Offline DIR' }
    }
    $found = Get-Sha256 $archive
    if ($found -ne $wanted) {
        Stop-Install 'download.checksum' $ExitCodes.Checksum "$last does not match its checksum; it was not used" "its SHA-256 is $found and has to be $wanted" 'try again, or another -Mirror'
    }
    foreach ($places in $Install.Folder, $env:USERPROFILE, (Split-Path -Parent $Install.Prefix)) {
        $folder = $(if ($places -eq $Install.Folder) { $places } else { New-Folder $places })
        if ($folder) { Expand-Python $archive $folder }
        if ($folder -and (Test-Starts "$folder\python\python.exe" "-I -B -c `"$GoodEnough`"")) { return "$folder\python\python.exe", '-I', '-B' }
    }
    Stop-Install 'host.python' $ExitCodes.Refused $none "the one that was fetched starts neither in $($Install.Folders -join ' nor in ')" $byHand
}

# By names without a folder, whose letters tar may not know.
function Expand-Python([string]$Archive, [string]$Folder) {
    Push-Location -LiteralPath $Folder
    try {
        if ($Folder -ne $Install.Folder) { Copy-Item -LiteralPath $Archive -Destination $Folder }
        Invoke-Quietly @("$env:SystemRoot\System32\tar.exe", '-xzf', 'python.tar.gz')
    } finally { Pop-Location }
}

# Not Get-FileHash, which Windows PowerShell lacks when PowerShell 7 has started it.
function Get-Sha256([string]$Path) {
    $file = [IO.File]::OpenRead($Path)
    $algorithm = [Security.Cryptography.SHA256]::Create()
    try { return -join ($algorithm.ComputeHash($file) | ForEach-Object { $_.ToString('x2') }) } finally { $file.Dispose(); $algorithm.Dispose() }
}

# Downloads; returns why it failed, or nothing. curl.exe goes on where it broke and knows a server that stalls; what it cannot
# do, such as finding the proxy of a script of the system's, Invoke-WebRequest may.
function Get-File([string]$Url, [string]$Target) {
    $curl = Get-Command curl.exe -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    $protocols = $(if ($Url -like 'http:*') { '=http,https' } else { '=https' })
    $shown = $(if ($Install.Given['Quiet'] -or [Console]::IsErrorRedirected) { '-s' } else { '--progress-bar' })
    $words = '-f', '-L', $shown, '--proto', $protocols, '--proto-redir', $protocols, '--tlsv1.2', '--max-redirs', '10', '--connect-timeout', $ConnectSeconds,
    '--speed-limit', '1024', '--speed-time', $StallSeconds, '--continue-at', '-', '--output', $Target, $Url
    $ErrorActionPreference = 'Continue'
    for ($attempt = 1; $curl -and $attempt -le $DownloadAttempts; $attempt++) {
        & $curl.Path @words
        $code = $LASTEXITCODE
        if ($code -eq 0) { return '' }
        # 33: the server cannot go on; 36: it has another file by now; 35: among others, whether a certificate was revoked cannot be asked.
        if ($code -in 33, 36) { Remove-Item -LiteralPath $Target -Force -ErrorAction SilentlyContinue }
        elseif ($code -eq 35 -and '--ssl-revoke-best-effort' -notin $words) { $words = @('--ssl-revoke-best-effort') + $words }
        elseif ($code -notin 18, 28, 52, 56, 92) { break }
        Start-Sleep -Seconds $attempt
    }
    Remove-Item -LiteralPath $Target -Force -ErrorAction SilentlyContinue
    $request = @{ Uri = $Url; OutFile = $Target; UseBasicParsing = $true; TimeoutSec = 2 * $StallSeconds; ErrorAction = 'Stop' }
    try {
        $proxy = [Net.WebRequest]::GetSystemWebProxy().GetProxy($Url)
        if ($proxy -and $proxy -ne [Uri]$Url) { $request += @{ Proxy = $proxy; ProxyUseDefaultCredentials = $true } }
    } catch { $proxy = $null }
    try { Invoke-WebRequest @request; return '' } catch { return $_.Exception.Message }
}

# Sets Place, what goes on Python's path: the checkout that this script stands in, or what is to be installed, or, for an
# uninstall and where that cannot be had, what is installed.
function Find-Source([string]$Here) {
    $wanted = $Install.Given['From']
    if (-not $wanted -and $Install.Given['Offline']) {
        $wanted = Get-ChildItem -LiteralPath $Install.Given['Offline'] -Filter 'imjoy-*.whl' -ErrorAction SilentlyContinue | Select-Object -Last 1 -ExpandProperty FullName
    }
    if (-not $wanted) { $wanted = $ProjectUrl }
    $installed = "$($Install.Prefix)\Lib\site-packages"
    $known = @($(if ($Here) { "$Here\bootstrap" }), $installed | Where-Object { $_ -and (Test-Planner $_) })
    $why = ''
    $giveSource = 'give a wheel, a checkout''s folder or a git url: -From SOURCE'
    if ($known -and ($known[0] -ne $installed -or $Install.Given['Uninstall'])) { $Install.Place = $known[0] }
    elseif ($wanted -match '^[a-z+]+://') { $why = Get-Source ($wanted -replace '^git\+' -split '#')[0] }
    elseif (Test-Planner "$wanted\bootstrap") { $Install.Place = "$((Resolve-Path -LiteralPath $wanted).ProviderPath)\bootstrap" }
    elseif ($wanted -like '*.whl' -and (Test-Path -LiteralPath $wanted)) { $Install.Place = (Resolve-Path -LiteralPath $wanted).ProviderPath }
    if ($Install.Place -like '*.whl') {
        Invoke-Quietly ($Install.Python + @('-c', $InWheel, $Install.Place))
        if ($LASTEXITCODE -ne 0) { Stop-Install 'source.not_imjoy' $ExitCodes.Refused "$($Install.Place) is not imjoy, or an imjoy of before 0.12" '' $giveSource }
    }
    if ($Install.Place) { return }
    if ($known) { $Install.Place = $known[0]; $env:IMJOY_DOOR_UNREACHABLE = $why -replace '\s+', ' ' }
    elseif ($why) { Stop-Install 'network.source' $ExitCodes.Network "$(Get-Shown $wanted) cannot be reached, and nothing was changed" $why 'look at the network and HTTPS_PROXY, or use -From SOURCE or -Offline DIR' }
    else { Stop-Install 'source.missing' $ExitCodes.Refused "$wanted is no checkout and no wheel of imjoy" '' $giveSource }
}

function Test-Planner([string]$Folder) { return Test-Path -LiteralPath "$Folder\imjoy\provision\main.py" -PathType Leaf }

function Get-Shown([string]$Url) { return $Url -replace '^git\+' -replace '(?<=://)[^/@]*@' }

# Sets Place; returns why that cannot be done, or nothing. The archive of a commit where the server makes one, else by git.
function Get-Source([string]$Url) {
    $folder = Join-Path $Install.Folder 'source'
    $ref = 'HEAD'
    $file = Join-Path $Install.Folder (Split-Path -Leaf $Url)
    $why = "git is not here, and $(Get-Shown $Url) needs it"
    $alien = 'what it has is not imjoy, or an imjoy of before 0.12'
    if ($Url -match '\.(whl|zip|tar\.gz)$') { $archive = $Url }
    else {
        # An @ before the first slash of the path belongs to the server's name; a branch's name may have slashes.
        if ($Url -match '^.*?://[^/]*/[^@]*@(.+)$') { $ref = $Matches[1]; $Url = $Url.Substring(0, $Url.Length - $ref.Length - 1) }
        $archive = "$($Url -replace '(\.git)?/?$')/archive/$ref.tar.gz"
        $file = "$folder.tar.gz"
    }
    if ($Url -match '^https?:') {
        $why = Get-File $archive $file
        if (-not $why -and $file -like '*.whl') { $Install.Place = $env:IMJOY_DOOR_SOURCE = $file; return }
        if (-not $why) {
            Invoke-Quietly ($Install.Python + @('-m', $(if ($file -like '*.zip') { 'zipfile' } else { 'tarfile' }), '-e', $file, $folder))
            Get-ChildItem -LiteralPath $folder -Directory -ErrorAction SilentlyContinue | Where-Object { Test-Planner "$($_.FullName)\bootstrap" } | ForEach-Object {
                $env:IMJOY_DOOR_ARCHIVE = $file
                $env:IMJOY_DOOR_SOURCE = $_.FullName
                $Install.Place = "$($_.FullName)\bootstrap"
            }
            if ($Install.Place) { return }
            $why = $alien
        }
    }
    $git = Get-Command git.exe -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($archive -eq $Url -or -not $git) { return $why }
    Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
    Invoke-Quietly @($git.Path, 'init', '--quiet', $folder)
    Invoke-Quietly @($git.Path, '-C', $folder, '-c', 'http.lowSpeedLimit=1', '-c', "http.lowSpeedTime=$StallSeconds", 'fetch', '--quiet', '--depth', '1', $Url, $ref)
    if ($LASTEXITCODE -ne 0) { return "git fetch $(Get-Shown $Url) $ref failed" }
    Invoke-Quietly @($git.Path, '-C', $folder, 'checkout', '--quiet', 'FETCH_HEAD')
    if (-not (Test-Planner "$folder\bootstrap")) { return $alien }
    $env:IMJOY_DOOR_SOURCE = $folder
    $Install.Place = "$folder\bootstrap"
}

# A new folder in the first of these that is there and can be written to, or nothing.
function New-Folder([string[]]$Places) {
    foreach ($place in $Places) {
        if (-not $place -or -not (Test-Path -LiteralPath $place -PathType Container)) { continue }
        $folder = Join-Path $place "imjoy-door-$([Environment]::MachineName)-$PID-$([IO.Path]::GetRandomFileName())"
        try { [void][IO.Directory]::CreateDirectory($folder) } catch { continue }
        $Install.Folders += $folder
        return $folder
    }
}

function Invoke-Planner {
    $ErrorActionPreference = 'Continue'
    $file = Join-Path $Install.Folder 'arguments'
    [IO.File]::WriteAllText($file, ($Install.Words -join "`n"))
    $env:IMJOY_DOOR_ARGUMENTS = $file
    if ($Install.Notices.Count -gt 0) { $env:IMJOY_DOOR_NOTICE_LINES = $Install.Notices -join "`n" }
    $python, $first = $Install.Python
    & $python @first -c $HandOver $Install.Place install
    $Install.Code = $LASTEXITCODE
    # STATUS_CONTROL_C_EXIT: Ctrl-C came before Python could hear it.
    if ($Install.Code -eq -1073741510) { $Install.Code = $ExitCodes.Interrupted }
}

function Invoke-Install([string]$Here) {
    $env:IMJOY_DOOR_SHELL = 'powershell'
    if (@([Environment]::GetCommandLineArgs() | Where-Object { $_ -match '^[-/]noni' }).Count -gt 0) { $env:IMJOY_DOOR_NONINTERACTIVE = '1' }
    $Install.Prefix = $(if ($Install.Given['Prefix']) { $Install.Given['Prefix'] } elseif ($env:IMJOY_PREFIX) { $env:IMJOY_PREFIX } else { "$env:USERPROFILE\ImJoyApp" })
    $Install.Prefix = [IO.Path]::Combine((Get-Location -PSProvider FileSystem).ProviderPath, $Install.Prefix).TrimEnd('\', '/')
    $Install.Folder = New-Folder @([IO.Path]::GetTempPath(), "$env:LOCALAPPDATA\Temp", $env:USERPROFILE, "$env:SystemDrive\")
    if (-not $Install.Folder) { Stop-Install 'prefix.unwritable' $ExitCodes.Refused 'no temporary folder can be made' "TEMP is $env:TEMP" 'have TEMP name a folder that can be written to' }
    $env:IMJOY_DOOR_FOLDER = $Install.Folder
    $Install.Python = @(Find-Python)
    if ($Install.Python.Count -eq 0) {
        $Install.Python = @(Get-FetchedPython)
        $env:IMJOY_DOOR_PYTHON = Split-Path -Parent $Install.Python[0]
    }
    Find-Source $Here
    Invoke-Planner
}

# Windows PowerShell 5.1 cannot list env: where two names differ in case alone, as http_proxy and HTTP_PROXY of Git Bash do.
function Remove-Variables([string[]]$Names) {
    foreach ($name in $Names) { Remove-Item -LiteralPath "env:$name" -ErrorAction SilentlyContinue }
}

# Takes away what is temporary, and gives back what was set. Safe to repeat.
function Close-Install {
    # A scanner may hold a file for a moment.
    foreach ($folder in $Install.Folders) {
        for ($attempt = 1; $attempt -le 5 -and (Test-Path -LiteralPath $folder); $attempt++) {
            Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
            if (Test-Path -LiteralPath $folder) { Start-Sleep -Milliseconds 200 }
        }
    }
    Remove-Variables (@([Environment]::GetEnvironmentVariables().Keys) | Where-Object { -not $kept.Contains($_) })
    foreach ($name in $kept.Keys) {
        if ([Environment]::GetEnvironmentVariable($name) -cne $kept[$name]) { [Environment]::SetEnvironmentVariable($name, $kept[$name]) }
    }
    [Net.ServicePointManager]::SecurityProtocol = $protocols
    if ($encoding) { try { [Console]::OutputEncoding = $encoding } catch { $null = $_ } }
    $global:LASTEXITCODE = $Install.Code
    # After Ctrl-C nothing below runs. What was started for this script alone ends with its code.
    $line = "$([Environment]::GetCommandLineArgs())"
    if ($file -and $Install.Code -eq $ExitCodes.Interrupted -and $line -match ' [-/]fi?l?e? ' -and $line -notmatch ' [-/]noe') { $Host.SetShouldExit($Install.Code) }
}

function Invoke-Main {
    $file = "$($MyInvocation.MyCommand.ScriptBlock.File)"
    if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
        $what = 'this PowerShell is in Constrained Language Mode, in which scripts that nobody signed can do next to nothing'
        if (@($Typed | Where-Object { "$_" -match '^--?json$' }).Count -gt 0) {
            Write-Output "{`"schema`": 1, `"kind`": `"failure`", `"error`": {`"id`": `"host.powershell`", `"what`": `"$what`", `"why`": `"`", `"fix`": `"$PipLine`", `"exit_code`": 3}}"
        } else { Write-Output "error: $what`n  with a Python from https://www.python.org/downloads/ these two lines do the same:`n    $PipLine`n    py -3 -m imjoy install" }
        if ($file) { exit 3 }
        $global:LASTEXITCODE = 3
        return
    }
    # What is found and decided; the functions that are called from here share it.
    $Install = @{
        Given = @{}; Words = @(); Start = @(); Notices = @(); Folder = ''; Folders = @()
        Prefix = ''; Python = @(); Place = ''; Code = $ExitCodes.Interrupted
    }
    # An old Python's imjoy has unpacked its own, and this script with it.
    $Handed = $env:IMJOY_DOOR -eq 'python'
    $kept = [Environment]::GetEnvironmentVariables()
    $encoding = [Console]::OutputEncoding
    $protocols = [Net.ServicePointManager]::SecurityProtocol
    try {
        $env:PYTHON_MANAGER_AUTOMATIC_INSTALL = $env:GIT_TERMINAL_PROMPT = '0'
        Remove-Variables (@($kept.Keys) -like 'PYLAUNCHER_ALLOW_INSTALL*')
        if (-not $Handed) {
            Remove-Variables (@($kept.Keys) -like 'IMJOY_DOOR*')
            $env:IMJOY_DOOR = 'install.ps1'
        }
        # In it PowerShell reads what programs print, and Python writes so when it writes to no console.
        try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { $encoding = $null }
        [Net.ServicePointManager]::SecurityProtocol = $protocols -bor [Net.SecurityProtocolType]::Tls12
        Read-Words $Typed
        # Of an imjoy, the planner tells its help and version.
        if ($Install.Given['Help'] -and -not $Handed) { Write-Help; $Install.Code = $ExitCodes.Done }
        elseif ($Install.Given['Version'] -and -not $Handed) { Write-Output "imjoy $ImJoyVersion"; $Install.Code = $ExitCodes.Done }
        elseif ([Environment]::OSVersion.Platform -ne 'Win32NT') {
            Stop-Install 'host.system' $ExitCodes.Refused 'this script knows Windows, and this is another system' '' "curl -fsSL $ProjectUrl/raw/HEAD/install.sh | bash"
        } else { Invoke-Install $(if ($file) { Split-Path -Parent $file } else { '' }) }
    } catch { Write-Failure $_ } finally {
        # Ctrl-C comes here too, and only here. It may do so late, as the planner hears it as well and may have ended by
        # then; that ends the first clean-up, and cannot end the second.
        $closed = $false
        try { Close-Install; $closed = $true } finally { if (-not $closed) { $Install.Code = $ExitCodes.Interrupted; Close-Install } }
    }
    # Where there is no file, as under iex, leaving would close the window of whoever typed the line.
    if ($file) { exit $Install.Code }
}

Invoke-Main
} $args $MyInvocation 'whole'
