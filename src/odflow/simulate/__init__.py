"""Simulators: a network and parameters to traffic, without any history."""

from odflow.simulate.backbone import BackboneSimulator as BackboneSimulator
from odflow.simulate.config import BackboneConfig as BackboneConfig
from odflow.simulate.services import SERVICES as SERVICES
from odflow.simulate.services import Service as Service
