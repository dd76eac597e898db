"""Simulators: a network or a city and parameters to traffic, without any history."""

from odflow.simulate import presets as presets
from odflow.simulate.backbone import BackboneSimulator as BackboneSimulator
from odflow.simulate.cellular import CellularSimulator as CellularSimulator
from odflow.simulate.cellular_config import CELL_SERVICES as CELL_SERVICES
from odflow.simulate.cellular_config import CellService as CellService
from odflow.simulate.cellular_config import CellularConfig as CellularConfig
from odflow.simulate.config import BackboneConfig as BackboneConfig
from odflow.simulate.counters import CounterSampler as CounterSampler
from odflow.simulate.randomise import BackboneRandomization as BackboneRandomization
from odflow.simulate.randomise import randomize as randomize
from odflow.simulate.randomise_cells import CellularRandomization as CellularRandomization
from odflow.simulate.services import SERVICES as SERVICES
from odflow.simulate.services import Service as Service
from odflow.simulate.store import write_worlds as write_worlds
